import { setTimeout as delay } from 'node:timers/promises';

/** Waits `ms`; resolves early, without an error, when the signal aborts; at once for 0 and less. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted || ms <= 0) return;
  await delay(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
