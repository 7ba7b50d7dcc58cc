// The last stage of an event's trace: a change handed to a transport. Which trace a change belongs to stands on the row of its
// event, so deliveries are kept for a moment and looked up together; more than can be kept is not traced.
import { readTraceIds } from '../changes/trace-ids.ts';
import type { Db } from '../db/client.ts';
import { messageOf } from '../errors.ts';
import { runLoop } from '../lib/loop.ts';
import type { Logger } from '../log.ts';
import type { RecordedChange } from '../model/change.ts';
import type { Tracing, Transport } from '../model/telemetry.ts';

const FLUSH_INTERVAL_MS = 500;
const MAX_KEPT = 5_000;

export interface DeliveryTraces {
  delivered(change: RecordedChange, transport: Transport): void;
  run(signal: AbortSignal): Promise<void>;
}

export function createDeliveryTraces({ db, tracing, log }: { db: Db; tracing: Tracing; log: Logger }): DeliveryTraces {
  let kept: { change: RecordedChange; transport: Transport }[] = [];

  async function flush(): Promise<'idle'> {
    const deliveries = kept;
    kept = [];
    const traces = await readTraceIds(
      db,
      deliveries.map(({ change }) => change),
    );
    for (const { change, transport } of deliveries) {
      const traceId = traces.get(change.cause.eventId ?? '');
      const attributes = { position: String(change.position), transport };
      if (traceId) tracing.stage('deliver', { traceId, startMs: change.recordedAt.getTime(), attributes });
    }
    return 'idle';
  }

  return {
    delivered(change, transport) {
      if (kept.length < MAX_KEPT && change.cause.eventId !== null) kept.push({ change, transport });
    },
    async run(signal) {
      const onError = (error: unknown): void => log.debug({ err: messageOf(error) }, 'deliveries could not be traced');
      await runLoop(flush, { signal, idleMs: FLUSH_INTERVAL_MS, onError });
      await flush().catch(onError);
    },
  };
}
