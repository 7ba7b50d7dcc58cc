// W3C trace context: `00-<trace id>-<parent span id>-<flags>`, in lower-case hex.
export interface TraceParent {
  traceId: string;
  spanId: string;
}

const FORM = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-|$)/;

/** null: there is none, or none that can be used. */
export function parseTraceparent(header: string | undefined): TraceParent | null {
  const [, traceId, spanId] = FORM.exec(header ?? '') ?? [];
  return traceId && spanId ? { traceId, spanId } : null;
}
