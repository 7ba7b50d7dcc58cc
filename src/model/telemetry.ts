// What the stages of an event's way tell of themselves, for src/observability to count and to trace. Each stage takes what it
// needs of these; with none of them it works the same.

export type Transport = 'WebSocket' | 'SSE';

/** repeated: the stream had it already, after a crash between append and mark; stream_ahead: the stream was thrown away. */
export type RepublishReason = 'repeated' | 'stream_ahead';

export interface Counts {
  applied(type: string, events: number): void;
  republished(reason: RepublishReason, changes: number): void;
  /** Something was missing between what a tail held and what it was told: it was read from the log. */
  gapBackfilled(): void;
}

export const NO_COUNTS: Counts = { applied: () => {}, republished: () => {}, gapBackfilled: () => {} };

export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** One stage of one event's way. Never holds what an event says: ids, types and numbers only. */
export interface Stage {
  traceId: string;
  /** As Date.now(). */
  startMs: number;
  attributes: Attributes;
  /** Of the sender of an event that came with a trace. */
  parentSpanId?: string | undefined;
}

export interface Tracing {
  /** false: what a stage needs for its traces need not be looked up. */
  on: boolean;
  /** Work on many events at once; it is told which traces it belongs to. */
  span<T>(name: string, attributes: Attributes, work: (link: (traceIds: readonly string[]) => void) => Promise<T>): Promise<T>;
  /** Ends now. `ingest` is the beginning of what belongs to an event, all others follow from it. */
  stage(name: 'ingest' | 'apply' | 'relay' | 'deliver', stage: Stage): void;
}

export const NO_TRACING: Tracing = { on: false, span: (_name, _attributes, work) => work(() => {}), stage: () => {} };
