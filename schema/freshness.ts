// How old an answer may be. The tables are read in the database that holds the log, so what counts is the log's head there;
// the position that this node has followed to is a cheap first look.
import type { Freshness as FreshnessOf } from '../src/entitlements/read.ts';
import { AccessError } from '../src/errors.ts';
import { sleep } from '../src/lib/sleep.ts';
import { builder } from './builder.ts';
import type { Context } from './context.ts';
import { DirectoryState } from './directory.ts';
import { Freshness } from './refs.ts';

const MAX_WAIT_MS = 2_000;
const LOOK_EVERY_MS = 40;

builder.objectType(Freshness, {
  fields: (t) => ({
    revision: t.field({
      type: 'Cursor',
      description: 'The change-log position that this answer reflects',
      resolve: ({ position }, _args, { cursorOf }) => cursorOf(position),
    }),
    lagSeconds: t.exposeFloat('lagSeconds', {
      description: 'Age of the oldest known event of this organization that is not applied; 0 when none',
    }),
    directoryState: t.expose('directoryState', { type: DirectoryState }),
    driftSuspected: t.exposeBoolean('driftSuspected'),
  }),
});

export const freshnessArgs = builder.args((t) => ({
  atLeast: t.field({ type: 'Cursor', description: 'Waits up to 2 s for this position, then fails with STALE' }),
  maxLagSeconds: t.float({ description: 'Fails with STALE when freshness.lagSeconds is larger' }),
}));

interface FreshnessArgs {
  atLeast?: string | null | undefined;
  maxLagSeconds?: number | null | undefined;
}

/** Reads once the log has reached `atLeast`, and refuses an answer that lags too far. */
export async function readFresh<T>(
  args: FreshnessArgs,
  context: Context,
  read: () => Promise<T>,
  freshnessOf: (answer: T) => Iterable<FreshnessOf>,
): Promise<T> {
  const { atLeast, maxLagSeconds } = args;
  if (maxLagSeconds != null && maxLagSeconds < 0) throw new AccessError('BAD_USER_INPUT', '`maxLagSeconds` must not be negative.');
  if (atLeast != null) await reach(atLeast, context);
  const answer = await read();
  for (const { lagSeconds } of freshnessOf(answer)) {
    if (maxLagSeconds != null && lagSeconds > maxLagSeconds) {
      throw new AccessError(
        'STALE',
        `The answer lags ${lagSeconds.toFixed(1)} s behind the directory, more than the ${maxLagSeconds} s allowed.`,
        {
          details: { lagSeconds },
        },
      );
    }
  }
  return answer;
}

async function reach(cursor: string, { positionOf, services, reads, signal, askedAtMs }: Context): Promise<void> {
  const wanted = positionOf(cursor);
  // Of the operation, which may be executed a second time (src/server/lean.ts).
  const deadline = askedAtMs + MAX_WAIT_MS;
  while (services.feed.position() < wanted && (await reads.head()).position < wanted) {
    if (signal.aborted || performance.now() >= deadline) {
      throw new AccessError('STALE', `The change log did not reach \`atLeast\` within ${MAX_WAIT_MS / 1000} s. Ask again.`);
    }
    await sleep(LOOK_EVERY_MS, signal);
  }
}
