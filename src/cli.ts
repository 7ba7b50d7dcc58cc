#!/usr/bin/env -S node --max-semi-space-size=8
// The binary: argument parsing, and the way from an error to an exit code. 0 done, 1 refused or failed, 2 wrong arguments.
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { SCOPES } from './auth/caller.ts';
import { addCatalogCommands } from './commands/catalog-apply.ts';
import { addEventsCommands } from './commands/events.ts';
import { type FakeWorkosFlags, runFakeWorkos } from './commands/fake-workos.ts';
import { addHealthCommand } from './commands/health.ts';
import { type CreateKeyFlags, createKey, listKeys, revokeKey } from './commands/keys.ts';
import { runMigrate } from './commands/migrate.ts';
import { addReconcileCommand } from './commands/reconcile.ts';
import { addReplayCommands } from './commands/replay.ts';
import { runService } from './commands/run-service.ts';
import { loadConfig, type Mode } from './config.ts';
import { AccessError, StartError } from './errors.ts';
import { untilSignalled } from './lib/until-signalled.ts';
import { createLogger } from './log.ts';

const whole = (text: string): number => {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
};

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
    .action(() => runService(loadConfig(process.env, mode)));
}

program
  .command('migrate')
  .description('bring the database to the schema of this version')
  .action(async () => {
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

const keys = program.command('keys').description('API keys: who may ask the running service, and for what');
const keysCommand = (nameAndArgs: string, description: string, example: string): Command =>
  keys
    .command(nameAndArgs)
    .description(description)
    .option('--url <url>', 'of the running service', 'http://127.0.0.1:4000')
    .option('--json', 'machine-readable output', false)
    .addHelpText(
      'after',
      `\nADMIN_API_KEY is the key to ask with: the admin key, or any with KEYS_MANAGE.\n\nExample:\n  ADMIN_API_KEY=… access-service keys ${example}`,
    );

keysCommand(
  'create',
  'make a key; it is printed this once',
  'create --name billing --scope entitlements:read --organization org_… --expires 90d',
)
  .requiredOption('--name <name>', 'who uses it')
  .requiredOption('--scope <scope...>', `what it may do, one or several of ${SCOPES.join(', ')}`)
  .option('--organization <id>', 'bind it to one organization (default: that of the asking key, or every one)')
  .option('--expires <when>', '30m, 12h, 90d, or a time such as 2027-01-31T09:00:00Z (default: never)')
  .action((flags: CreateKeyFlags & { url: string; json: boolean }) => createKey({ ...flags, key: key() }, flags));

keysCommand('list', 'show all keys, without their secrets', 'list --json').action((flags: { url: string; json: boolean }) =>
  listKeys({ ...flags, key: key() }),
);

keysCommand('revoke', 'end a key, and what it has open', 'revoke ak_4fT0sB2yQx7LmNd')
  .argument('<id>', '`ak_…`, what the key begins with')
  .action((id: string, flags: { url: string; json: boolean }) => revokeKey({ ...flags, key: key() }, id));

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
