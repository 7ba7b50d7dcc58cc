// Everything that belongs to an event or a batch. Spans of the database that belong to nothing (every poll, every look at a
// lease) would be most of the traces, and say nothing.
import { type Context, trace } from '@opentelemetry/api';

const NOT_RECORDED = { decision: 0 } as const;
const RECORDED = { decision: 2 } as const;

export const createSampler = () => ({
  shouldSample(context: Context, _traceId: string, name: string) {
    const parent = trace.getSpanContext(context);
    if (parent) return (parent.traceFlags & 1) === 1 ? RECORDED : NOT_RECORDED;
    return name.startsWith('prisma:') ? NOT_RECORDED : RECORDED;
  },
  toString: () => 'events and batches',
});
