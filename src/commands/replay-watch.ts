// Follows a replay to its end, or to where it waits for a confirmation, with its progress on the way.
import { z } from 'zod';
import { StartError } from '../errors.ts';
import { REPLAY, WATCH_REPLAY } from './documents.ts';
import { followSubscription } from './follow-subscription.ts';
import { type Endpoint, graphqlRequest } from './graphql-request.ts';
import { createProgress } from './progress.ts';
import { type Replay, replayShape } from './replay-shape.ts';

const LABELS = { FETCH: 'reading WorkOS', PREVIEW: 'comparing', REPAIR: 'repairing' } as const;

export async function readReplay(endpoint: Endpoint, id: string): Promise<Replay> {
  const { replay } = await graphqlRequest(endpoint, REPLAY, { id }, z.object({ replay: replayShape.nullable() }));
  if (!replay) throw new StartError(`There is no replay ${id}.`);
  return replay;
}

export async function watchReplay(endpoint: Endpoint, id: string, { json }: { json: boolean }, signal: AbortSignal): Promise<Replay> {
  const progress = createProgress({ json });
  try {
    const shape = z.object({ replayProgress: replayShape });
    for await (const { replayProgress: replay } of followSubscription(endpoint, WATCH_REPLAY, { id }, shape, signal)) {
      const { status, phase, processed, total, fetched } = replay;
      if (status === 'PENDING') progress.show({ label: 'waiting for a worker', done: 0, total: 0 });
      else progress.show({ label: LABELS[phase], done: phase === 'FETCH' ? fetched : processed, total: phase === 'FETCH' ? 0 : total });
    }
  } finally {
    progress.stop();
  }
  if (signal.aborted) throw new StartError(`Replay ${id} goes on without being watched. See: access-service replay status ${id}`);
  return readReplay(endpoint, id);
}
