// What becomes of a subscription that fails on its way. Telling the client "complete", or an error, ends the story: clients
// do not come back. So where trying again can help, the connection is cut instead, and they go on from their last cursor.

/** Code of the error → WebSocket close code (pitfalls: 4403 and 1013 are retried). Codes that are missing are told as an error. */
const CUT: Readonly<Record<string, { code: number; reason: string }>> = {
  UNAUTHENTICATED: { code: 4403, reason: 'Forbidden' },
  FORBIDDEN: { code: 4403, reason: 'Forbidden' },
  RATE_LIMITED: { code: 1013, reason: 'Try again later' },
  STALE: { code: 1013, reason: 'Try again later' },
  UNAVAILABLE: { code: 1013, reason: 'Try again later' },
  INTERNAL: { code: 1013, reason: 'Try again later' },
};

/** `streaming`: items were on their way already. Before that, a missing right is an answer, not a loss. */
export function cutFor(errorCode: unknown, streaming: boolean): { code: number; reason: string } | undefined {
  const cut = CUT[String(errorCode)];
  return cut && (streaming || cut.code === 1013) ? cut : undefined;
}
