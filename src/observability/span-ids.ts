// Random ids, but for a span that has its place already.
import { randomBytes } from 'node:crypto';

export interface Place {
  traceId: string;
  spanId: string;
}

export interface SpanIds {
  generateTraceId(): string;
  generateSpanId(): string;
  /** The next span that `start` begins, which it does at once, stands there. */
  as<T>(place: Place, start: () => T): T;
}

/** Of the first span of an event's trace: neither may be all zeros. */
export function firstSpanIdOf(traceId: string): string {
  const half = traceId.slice(0, 16);
  return /^0+$/.test(half) ? traceId.slice(16) : half;
}

export function createSpanIds(): SpanIds {
  let next: Place | undefined;
  return {
    generateTraceId: () => next?.traceId ?? randomBytes(16).toString('hex'),
    generateSpanId: () => next?.spanId ?? randomBytes(8).toString('hex'),
    as(place, start) {
      next = place;
      try {
        return start();
      } finally {
        next = undefined;
      }
    },
  };
}
