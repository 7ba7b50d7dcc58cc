// Versions are plain strings that compare by code unit; see prisma/schema.prisma, "Registers".

export const NO_VERSION = '';

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

const TIME_LENGTH = 10;

/** Ten characters that sort as the times do. */
function timeText(time: Date): string {
  let rest = time.getTime();
  let text = '';
  for (let i = 0; i < TIME_LENGTH; i += 1) {
    text = CROCKFORD.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

/**
 * The version of a fact read from the API after `eventId` was the last event stored: newer than that event, older than the
 * next, whatever the clocks say. Of two reads after one event the later one, by the database's clock `at`, is the newer.
 */
export const versionOfRead = (eventId: string, at?: Date): string => `${eventId}+${at ? timeText(at) : ''}`;

/** The lowest version that an event of this moment can have: `event_<ULID>` with an empty random part. */
export const versionAt = (time: Date): string => `event_${timeText(time)}0000000000000000`;

/** Newer than a read of this version, older than whatever comes after it. */
export const justAfter = (version: string): string => `${version}+`;

export const newest = (a: string, b: string): string => (a >= b ? a : b);
