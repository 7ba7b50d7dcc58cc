// The first stage of each event that was new.
import type { Tracing } from '../model/telemetry.ts';
import type { EventChannel, StoreResult } from './store-events.ts';

export function traceStored(
  tracing: Pick<Tracing, 'on' | 'stage'>,
  { traces }: StoreResult,
  { channel, startMs, parentSpanId }: { channel: EventChannel; startMs: number; parentSpanId?: string | undefined },
): void {
  if (!tracing.on) return;
  for (const { id, traceId } of traces)
    tracing.stage('ingest', { traceId, startMs, parentSpanId, attributes: { 'event.id': id, channel } });
}
