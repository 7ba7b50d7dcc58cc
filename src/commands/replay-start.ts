// `access-service replay start`: asks for a replay and follows it. Unless --yes, it may not revoke anything by itself: then it
// stops after its preview, which is shown here and confirmed by typing.
import { z } from 'zod';
import { StartError } from '../errors.ts';
import { confirmed, count, NOTHING_ALTERED } from './confirm.ts';
import { CANCEL_REPLAY, START_REPLAY } from './documents.ts';
import { type Endpoint, graphqlRequest } from './graphql-request.ts';
import { print } from './print.ts';
import { type Replay, renderReplay, replayShape } from './replay-shape.ts';
import { watchReplay } from './replay-watch.ts';

export interface ReplayStartFlags {
  organization?: string;
  directory?: string;
  user?: string;
  group?: string;
  event?: string[];
  from?: string;
  to?: string;
  afterEvent?: string;
  untilEvent?: string;
  type?: string[];
  source: 'LOG' | 'WORKOS_EVENTS';
  dryRun: boolean;
  maxRevocations?: number;
  confirmToken?: string;
  idempotencyKey?: string;
  reason?: string;
  wait: boolean;
  yes: boolean;
  json: boolean;
}

/** What asks a script must be in its words, and what a person is asked is about everything that is taken away. */
const maxRevocationsOf = ({ yes, dryRun, wait, maxRevocations }: ReplayStartFlags): number | null =>
  yes || dryRun || !wait ? (maxRevocations ?? null) : 0;

const inputOf = (flags: ReplayStartFlags): Record<string, unknown> => ({
  organizationId: flags.organization ?? null,
  directoryId: flags.directory ?? null,
  userId: flags.user ?? null,
  groupId: flags.group ?? null,
  eventIds: flags.event ?? null,
  from: flags.from ?? null,
  to: flags.to ?? null,
  afterEventId: flags.afterEvent ?? null,
  untilEventId: flags.untilEvent ?? null,
  eventTypes: flags.type ?? null,
  source: flags.source,
  dryRun: flags.dryRun,
  maxRevocations: maxRevocationsOf(flags),
  confirmToken: flags.confirmToken ?? null,
  idempotencyKey: flags.idempotencyKey ?? null,
  reason: flags.reason ?? null,
});

export async function cancelReplay(endpoint: Endpoint, id: string): Promise<Replay> {
  return (await graphqlRequest(endpoint, CANCEL_REPLAY, { id }, z.object({ cancelReplay: replayShape }))).cancelReplay;
}

/** true: it succeeded, or was only asked for. */
export async function startReplay(endpoint: Endpoint, flags: ReplayStartFlags, signal: AbortSignal): Promise<boolean> {
  const input = inputOf(flags);
  const shape = z.object({ replayEvents: replayShape });
  const ask = async (confirmToken: unknown): Promise<Replay> =>
    (await graphqlRequest(endpoint, START_REPLAY, { input: { ...input, confirmToken } }, shape)).replayEvents;

  let replay = await ask(input.confirmToken);
  if (!flags.wait) {
    print(replay, flags, () => renderReplay(replay));
    return true;
  }
  for (;;) {
    replay = await watchReplay(endpoint, replay.id, flags, signal);
    if (replay.status !== 'AWAITING_CONFIRMATION' || flags.yes) break;
    if (!flags.json) print(replay, flags, () => renderReplay(replay));
    if (!(await isConfirmed(endpoint, replay))) throw new StartError(NOTHING_ALTERED);
    replay = await ask(replay.confirmToken);
  }
  print(replay, flags, () => renderReplay(replay));
  if (replay.status === 'AWAITING_CONFIRMATION')
    process.stderr.write(`Look at the preview; then start it again with the same selection and --confirm-token ${replay.confirmToken}\n`);
  return replay.status === 'SUCCEEDED';
}

/** A replay that nobody confirms is not left waiting. */
async function isConfirmed(endpoint: Endpoint, { id, revokedPermissions }: Replay): Promise<boolean> {
  let yes = false;
  try {
    yes = await confirmed(`This takes ${count(revokedPermissions, 'permission')} away from people.`);
  } finally {
    if (!yes) await cancelReplay(endpoint, id);
  }
  return yes;
}
