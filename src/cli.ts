#!/usr/bin/env -S node --max-semi-space-size=32 --heap-growing-percent=50
// The binary: argument parsing, and the way from an error to an exit code. 0 done, 1 refused or failed, 2 wrong arguments.
// What only a service needs is loaded when one is started: a command to a running one answers at once.
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { addCatalogCommands } from './commands/catalog-apply.ts';
import { addEventsCommands } from './commands/events.ts';
import type { FakeWorkosFlags } from './commands/fake-workos.ts';
import { addHealthCommand } from './commands/health.ts';
import { addKeysCommands } from './commands/keys.ts';
import { whole } from './commands/operator-command.ts';
import { addReconcileCommand } from './commands/reconcile.ts';
import { addReplayCommands } from './commands/replay.ts';
import { loadConfig, type Mode } from './config.ts';
import { AccessError, StartError } from './errors.ts';
import { untilSignalled } from './lib/until-signalled.ts';
import { createLogger } from './log.ts';

const positive = (text: string): number => {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('It must be a number above 0.');
  return value;
};

const program = new Command('access-service')
  .description('Access that stays provably in step with the company directory.')
  .showHelpAfterError()
  .exitOverride();

const services: readonly [Mode & ('start' | 'serve' | 'work'), string][] = [
  ['start', 'everything in one process, with stand-ins for what is not configured'],
  ['serve', 'answer GraphQL and receive webhooks (any number of processes)'],
  ['work', 'read WorkOS, apply events, relay changes, run replays'],
];
for (const [mode, description] of services) {
  program
    .command(mode)
    .description(description)
    .action(async () => {
      const { runService } = await import('./commands/run-service.ts');
      await runService(loadConfig(process.env, mode));
    });
}

program
  .command('migrate')
  .description('bring the database to the schema of this version')
  .action(async () => {
    const { runMigrate } = await import('./commands/migrate.ts');
    const config = loadConfig(process.env, 'tool');
    await runMigrate(config, createLogger(config.logLevel));
  });

program
  .command('fake-workos')
  .description('a FAKE WorkOS: a small living company, or a history from a file')
  .option('--events <file>', 'serve this history (JSONL, or JSONL.gz) instead of the company')
  .option('--speed <factor>', 'let the history happen at so many times real time (default: all of it has happened)', positive)
  .option('--host <host>', 'address to listen on', '127.0.0.1')
  .option('--port <port>', 'port to listen on; 0 takes a free one', whole, 4001)
  .option('--api-key <key>', 'what callers must send (default: sk_fake_workos)')
  .option('--state <folder>', 'keep the company here over restarts')
  .option('--seed <number>', 'of the company', whole)
  .option('--events-per-second <number>', 'how lively the company is', positive)
  .option('--webhook-url <url>', 'deliver webhooks here')
  .addOption(new Option('--webhook-secret <secret>', 'sign webhooks with this').default(undefined, 'whsec_fake_workos'))
  .option('--webhook-repeat <times>', 'deliver each webhook so many times', whole)
  .option('--webhook-shuffle <seed>', 'deliver webhooks in a shuffled order', whole)
  .option('--page-repeats', 'answer every event twice from the Events API')
  .option('--rate-limits', 'answer 429 beyond WorkOS’ limits')
  .option('--hold-back-ms <ms>', 'how long the Events API hides a new event', whole)
  .option('--retention-days <days>', 'the Events API shows nothing older', positive)
  .addHelpText('after', '\nExample:\n  access-service fake-workos --events history.jsonl.gz --port 4001')
  .action(async (flags: FakeWorkosFlags) => {
    const { runFakeWorkos } = await import('./commands/fake-workos.ts');
    await runFakeWorkos(flags, createLogger('info'), untilSignalled());
  });

const key = (): string => {
  const value = process.env.ADMIN_API_KEY;
  if (!value) throw new StartError('ADMIN_API_KEY is not set: the key with which to ask the running service.');
  return value;
};

addReplayCommands(program, key);
addReconcileCommand(program, key);
addEventsCommands(program, key);
addHealthCommand(program, key);
addCatalogCommands(program, key);
addKeysCommands(program, key);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else if (error instanceof StartError || error instanceof AccessError) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  } else {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = 1;
  }
}
