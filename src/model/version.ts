// Versions are plain strings that compare by code unit; see prisma/schema.prisma, "Registers".

export const NO_VERSION = '';

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** The version of a fact read from the API after `eventId` was the last event stored: newer than that event, older than the next. */
export const versionOfRead = (eventId: string): string => `${eventId}+`;

/** The lowest version that an event of this moment can have: `event_<ULID>` with an empty random part. */
export function versionAt(time: Date): string {
  let rest = time.getTime();
  let text = '';
  for (let i = 0; i < 10; i += 1) {
    text = CROCKFORD.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return `event_${text}0000000000000000`;
}

export const newest = (a: string, b: string): string => (a >= b ? a : b);
