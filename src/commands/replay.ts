// `access-service replay start|status|cancel|watch`: re-derives what stored events say, and repairs what differs.
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { untilSignalled } from '../lib/until-signalled.ts';
import { REPLAYS } from './documents.ts';
import { type Endpoint, graphqlRequest } from './graphql-request.ts';
import { endpointOf, type FindKey, moment, type OperatorFlags, operatorCommand, several, whole } from './operator-command.ts';
import { print } from './print.ts';
import { type Replay, renderReplay, renderState, replayShape } from './replay-shape.ts';
import { cancelReplay, type ReplayStartFlags, startReplay } from './replay-start.ts';
import { readReplay, watchReplay } from './replay-watch.ts';

const LISTED = 20;

/** The newest, oldest first as the service lists them. */
async function newestReplays(endpoint: Endpoint): Promise<Replay[]> {
  const pageInfo = z.object({ hasNextPage: z.boolean(), endCursor: z.string().nullable() });
  const shape = z.object({ replays: z.object({ nodes: z.array(replayShape), pageInfo }) });
  let newest: Replay[] = [];
  for (let after: string | null | undefined; after !== null; ) {
    const { replays } = await graphqlRequest(endpoint, REPLAYS, { first: 200, after: after ?? null }, shape);
    newest = [...newest, ...replays.nodes].slice(-LISTED);
    after = replays.pageInfo.hasNextPage ? replays.pageInfo.endCursor : null;
  }
  return newest;
}

export function addReplayCommands(program: Command, key: FindKey): void {
  const replay = program.command('replay').description('derive accounts anew from all that was ever received, and repair what differs');

  operatorCommand(replay, {
    usage: 'start',
    description: 'preview what a replay would repair, then repair it; whatever takes access away is asked about',
    examples: [
      'replay start --user directory_user_… --reason "ticket 4711"',
      'replay start --directory directory_… --dry-run',
      'replay start --source WORKOS_EVENTS --from 2026-11-20T00:00:00Z --yes --max-revocations 50 --json',
    ],
  })
    .option('--organization <id>', 'events of this organization')
    .option('--directory <id>', 'events of this directory')
    .option('--user <id>', 'events about this user')
    .option('--group <id>', 'events about this group')
    .option('--event <id...>', 'exactly these events', several)
    .option('--from <moment>', 'that happened at or after', moment)
    .option('--to <moment>', 'that happened before', moment)
    .option('--after-event <id>', 'after this one, without it')
    .option('--until-event <id>', 'until this one, with it')
    .option('--type <type...>', 'of these types', several)
    .addOption(
      new Option('--source <source>', 'our own stored events, or the Events API again').choices(['LOG', 'WORKOS_EVENTS']).default('LOG'),
    )
    .option('--dry-run', 'only show what it would do', false)
    .option('--max-revocations <accounts>', 'with --yes: how many may lose access (default: 5 % of the active ones, or 20)', whole)
    .option('--confirm-token <token>', 'of a preview that was looked at')
    .option('--idempotency-key <key>', 'the same key is the same replay')
    .option('--reason <text>', 'kept with the replay and with every change that follows')
    .option('--no-wait', 'do not wait for its end')
    .option('--yes', 'do not ask before access is taken away; more than --max-revocations is refused all the same', false)
    .action(async (flags: OperatorFlags & ReplayStartFlags) => {
      if (!(await startReplay(endpointOf(flags, key), flags, untilSignalled()))) process.exitCode = 1;
    });

  operatorCommand(replay, {
    usage: 'status [id]',
    description: `show one replay, or the newest ${LISTED}`,
    examples: ['replay status', 'replay status 0190… --json'],
  }).action(async (id: string | undefined, flags: OperatorFlags) => {
    if (id === undefined) {
      const replays = await newestReplays(endpointOf(flags, key));
      return print(replays, flags, () => (replays.length === 0 ? 'There are no replays yet.' : replays.map(renderState).join('\n')));
    }
    const found = await readReplay(endpointOf(flags, key), id);
    print(found, flags, () => renderReplay(found));
  });

  operatorCommand(replay, {
    usage: 'cancel <id>',
    description: 'end a replay after what it is just doing',
    examples: ['replay cancel 0190…'],
  }).action(async (id: string, flags: OperatorFlags) => {
    const cancelled = await cancelReplay(endpointOf(flags, key), id);
    print(cancelled, flags, () => renderReplay(cancelled));
  });

  operatorCommand(replay, {
    usage: 'watch <id>',
    description: 'follow a replay to its end; fails when it does',
    examples: ['replay watch 0190…'],
  }).action(async (id: string, flags: OperatorFlags) => {
    const ended = await watchReplay(endpointOf(flags, key), id, flags, untilSignalled());
    print(ended, flags, () => renderReplay(ended));
    if (ended.status !== 'SUCCEEDED') process.exitCode = 1;
  });
}
