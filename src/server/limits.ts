// How much one caller may ask of the server. The shipped operations and GraphiQL's introspection stay well below
// (test/integration/server-limits.test.ts).
export interface Limits {
  bodyBytes: number;
  /** One WebSocket message. */
  messageBytes: number;
  subscriptionsPerSocket: number;
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
  stallTimeoutMs: 25_000,
  keepAliveMs: 12_000,
  closeGraceMs: 5_000,
};

/** Of one document. Parsed documents are kept with their text, so its length is bounded too. Cost counts fields by depth, and literal page sizes; what pages in variables add up to
 *  is bounded by schema/budget.ts. */
export const DOCUMENT_LIMITS = { characters: 65_536, tokens: 2_000, depth: 12, aliases: 30, directives: 20, cost: 100_000 };
