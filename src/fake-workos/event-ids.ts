// Ids as WorkOS makes them: a prefix and a ULID. Event ids must strictly rise whatever the clock does, because the Events
// API pages by them.
import type { Random } from '../lib/random.ts';
import { versionAt } from '../model/version.ts';

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const EVENT_PREFIX = 'event_';

export function ulid(atMs: number, random: Random): string {
  const time = versionAt(new Date(atMs)).slice(EVENT_PREFIX.length, EVENT_PREFIX.length + 10);
  return time + Array.from({ length: 16 }, () => CROCKFORD.charAt(random.below(32))).join('');
}

/** The next id of the same length: base 32, with carry. */
function increment(id: string): string {
  for (let i = id.length - 1; i >= EVENT_PREFIX.length; i -= 1) {
    const digit = CROCKFORD.indexOf(id.charAt(i));
    if (digit < 0) break;
    if (digit < 31) return id.slice(0, i) + CROCKFORD.charAt(digit + 1) + '0'.repeat(id.length - i - 1);
  }
  return `${id}0`;
}

/** An event id of this moment that is greater than `last`, even when the clock went back. */
export function nextEventId(last: string, atMs: number, random: Random): string {
  const candidate = EVENT_PREFIX + ulid(atMs, random);
  return candidate > last ? candidate : increment(last);
}
