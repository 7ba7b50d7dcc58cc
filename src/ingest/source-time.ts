// Pure: moments as WorkOS spells them. Its documentation shows ISO 8601 and `2023-04-28 20:05:31.093` without a zone; both
// are UTC.

const SPELLING = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d{1,9})?)(Z|[+-]\d\d:\d\d)?$/;

/** undefined when the text is no moment, or none that Postgres and JavaScript both can hold. */
export function parseSourceTime(text: string): Date | undefined {
  const match = SPELLING.exec(text);
  if (!match) return undefined;
  const time = new Date(`${match[1]}T${match[2]}${match[3] ?? 'Z'}`);
  return time.getTime() >= 0 ? time : undefined;
}

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** The moment inside `event_<ULID>`. */
export function timeOfEventId(eventId: string): Date {
  const start = 'event_'.length;
  const milliseconds = [...eventId.slice(start, start + 10)].reduce((sum, digit) => sum * 32 + CROCKFORD.indexOf(digit), 0);
  return new Date(milliseconds);
}
