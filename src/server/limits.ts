// How much one caller, one address, one document may ask of the server. The shipped operations and GraphiQL's introspection
// stay well below (test/integration/server-limits.test.ts).
export interface Limits {
  bodyBytes: number;
  /** One WebSocket message. */
  messageBytes: number;
  subscriptionsPerSocket: number;
  /** What may wait in this process for the reader of one socket; over that, nothing more is asked for. */
  socketBufferBytes: number;
  /** And streams over HTTP, at a time, of one caller on this process. */
  socketsPerCaller: number;
  /** Of one caller, and of one address. */
  operationsPerMinute: number;
  /** WebSockets opened, of one caller, and of one address. */
  connectsPerMinute: number;
  /** Of one address. */
  failedAuthenticationsPerMinute: number;
  /** Of one address. */
  webhooksPerMinute: number;
  /** From the opening of a WebSocket to its connection_init. */
  connectionInitTimeoutMs: number;
  /** Until all headers of a request have come, and until all of it has; looked at every `slownessCheckMs`. */
  headersTimeoutMs: number;
  requestTimeoutMs: number;
  slownessCheckMs: number;
  /** A reader that takes nothing for so long is dropped. */
  stallTimeoutMs: number;
  /** Of WebSocket pings; a peer that leaves one unanswered until the next is dropped. */
  keepAliveMs: number;
  /** For requests under way when the server closes. */
  closeGraceMs: number;
}

export const DEFAULT_LIMITS: Limits = {
  bodyBytes: 1024 * 1024,
  messageBytes: 256 * 1024,
  subscriptionsPerSocket: 50,
  socketBufferBytes: 256 * 1024,
  socketsPerCaller: 10_000,
  operationsPerMinute: 600_000,
  connectsPerMinute: 12_000,
  failedAuthenticationsPerMinute: 600,
  webhooksPerMinute: 600_000,
  connectionInitTimeoutMs: 5_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  slownessCheckMs: 2_000,
  stallTimeoutMs: 25_000,
  keepAliveMs: 12_000,
  closeGraceMs: 5_000,
};

/** Of one document. Cost counts fields by depth, and literal page sizes; what pages in variables add up to is bounded by schema/budget.ts. */
export const DOCUMENT_LIMITS = {
  characters: 65_536,
  tokens: 2_000,
  depth: 12,
  aliases: 30,
  directives: 20,
  cost: 100_000,
  /** Of one field, under one name, in one selection set. */
  repetitions: 50,
  /** Shown of all that validation finds: an answer must not be many times its question. */
  faultsShown: 5,
};

/** In batches, so that those who are sent away by a stop do not all come again at once somewhere else. */
export const SENDING_AWAY = { minSize: 20, maxBatches: 10, pauseMs: 200 };
