// Tests wait for conditions, never for time. A wait that fails says what it waited for and what it saw last.

import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';

export interface WaitOptions {
  timeoutMs?: number;
  everyMs?: number;
}

/**
 * Asks `probe` again and again until it answers something truthy, and gives that back. A probe that throws counts as "not
 * yet". `missing` describes what is missing when time is up, for instance the rows that did not come.
 */
export async function waitFor<T>(
  what: string,
  probe: () => T | Promise<T>,
  { timeoutMs = 60_000, everyMs = 20, missing }: WaitOptions & { missing?: () => unknown } = {},
): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown;
  while (performance.now() < deadline) {
    try {
      last = await probe();
      if (last) return last as NonNullable<T>;
    } catch (error) {
      last = error;
    }
    await delay(everyMs);
  }
  const seen = missing ? await missing() : last;
  throw new Error(`Waited ${timeoutMs} ms in vain for ${what}. ${missing ? 'Missing' : 'Last seen'}: ${inspect(seen, { depth: 6 })}`);
}
