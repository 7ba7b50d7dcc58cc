// Pure: what the inbox must know of an event, taken out of its JSON tolerantly. Never throws and never drops: what cannot be
// read becomes an event with a `refusal`, which is stored as QUARANTINED. Only the envelope is judged here; whether `data`
// makes sense is for apply to find out.
//
// Nothing that leaves here can make Postgres refuse the row (a NUL, half a surrogate pair, an endless key), or one bad
// event would hold up its whole page.
import { createHash } from 'node:crypto';
import { parseSourceTime, timeOfEventId } from './source-time.ts';

export interface IncomingEvent {
  id: string;
  type: string;
  /** Events of one partition are applied in order: an organization, else a directory, else "environment". */
  partition: string;
  organizationId: string | null;
  directoryId: string | null;
  userId: string | null;
  groupId: string | null;
  /** JSON text, as it arrived. */
  raw: string;
  occurredAt: Date;
  /** Why the envelope is unusable; null when it is not. */
  refusal: string | null;
}

export const ENVIRONMENT_PARTITION = 'environment';
const UNREADABLE_TYPE = 'unreadable';

// The id is the event's version too (prisma/schema.prisma, "Registers"): one of another form would win or lose for ever.
const EVENT_ID = /^event_[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const EVENT_TYPE = /^[a-z0-9_.-]{1,100}$/i;

export const isEventId = (value: unknown): value is string => typeof value === 'string' && EVENT_ID.test(value);

/** One event of the Events API. `mangled`: its page held bytes that are not UTF-8. */
export function readElement(element: unknown, { receivedAt, mangled }: { receivedAt: Date; mangled: boolean }): IncomingEvent {
  try {
    // What was parsed is not parsed again: its text is written for the inbox alone, and has every odd character escaped.
    const event = readEvent(JSON.stringify(element), element, receivedAt);
    if (!mangled || !event.raw.includes('\ufffd')) return event;
    return { ...event, refusal: 'The event cannot be taken: it arrived with bytes that are not UTF-8.' };
  } catch {
    // Nested some thousand levels deep: parsing takes that, writing does not.
    const id = text(element, 'id');
    return refused(
      JSON.stringify({ id, event: text(element, 'event') }),
      'is nested too deeply to be stored',
      receivedAt,
      isEventId(id) ? id : null,
    );
  }
}

/** The body of a webhook, byte for byte. */
export function readBody(body: Buffer, receivedAt: Date): IncomingEvent {
  const raw = decode(body);
  return raw === undefined ? unreadable(body, receivedAt) : readEnvelope(raw, receivedAt);
}

export function readEnvelope(raw: string, receivedAt: Date = new Date()): IncomingEvent {
  if (raw.includes('\0') || !raw.isWellFormed()) return unreadable(Buffer.from(raw), receivedAt);
  let event: unknown;
  try {
    event = JSON.parse(raw);
  } catch {
    return refused(raw, 'is not JSON', receivedAt);
  }
  return readEvent(raw, event, receivedAt);
}

/** `raw`: the text of `event`. */
function readEvent(raw: string, event: unknown, receivedAt: Date): IncomingEvent {
  if (typeof event !== 'object' || event === null || Array.isArray(event)) return refused(raw, 'is not a JSON object', receivedAt);

  const id = text(event, 'id');
  const type = text(event, 'event');
  const createdAt = text(event, 'created_at');
  const time = createdAt === null ? undefined : parseSourceTime(createdAt);
  const faults = [
    isEventId(id) ? [] : ['its id is not of the form event_<ULID>'],
    type !== null && EVENT_TYPE.test(type) ? [] : ['it has no usable event type'],
    time ? [] : [`its created_at is ${createdAt === null ? 'missing' : 'not a time'}`],
  ].flat();
  const subject = subjectOf(type ?? '', field(event, 'data'));

  return {
    id: isEventId(id) ? id : standInId(raw),
    type: type !== null && EVENT_TYPE.test(type) ? type : UNREADABLE_TYPE,
    ...subject,
    partition: subject.organizationId ?? subject.directoryId ?? ENVIRONMENT_PARTITION,
    raw,
    occurredAt: time ?? (isEventId(id) ? timeOfEventId(id) : receivedAt),
    refusal: faults.length > 0 ? `The event cannot be taken: ${faults.join(', ')}.` : null,
  };
}

type SubjectIds = Pick<IncomingEvent, 'organizationId' | 'directoryId' | 'userId' | 'groupId'>;

/** Whom the event is about, by the naming rules of the types; unknown types are read by the same rules. */
function subjectOf(type: string, data: unknown): SubjectIds {
  const user = field(data, 'user');
  const group = field(data, 'group');
  // The catalog of the whole environment, whatever ids it mentions.
  if (/^(role|permission)\./.test(type)) return { organizationId: null, directoryId: null, userId: null, groupId: null };
  const own = key(data, 'id');
  return {
    organizationId: type.startsWith('organization.') ? own : firstKey('organization_id', data, user, group),
    directoryId: /^dsync\.[a-z_]+$/.test(type) ? own : firstKey('directory_id', data, user, group),
    userId: /^dsync\.user\./.test(type) ? own : key(user, 'id'),
    groupId: /^dsync\.group\.(?!user_)/.test(type) ? own : key(group, 'id'),
  };
}

function refused(raw: string, why: string, receivedAt: Date, id: string | null = null): IncomingEvent {
  return {
    id: id ?? standInId(raw),
    type: UNREADABLE_TYPE,
    partition: ENVIRONMENT_PARTITION,
    organizationId: null,
    directoryId: null,
    userId: null,
    groupId: null,
    raw,
    occurredAt: id ? timeOfEventId(id) : receivedAt,
    refusal: `The event cannot be taken: it ${why}.`,
  };
}

/** Bytes that Postgres cannot hold as text. */
const unreadable = (bytes: Buffer, receivedAt: Date): IncomingEvent =>
  refused(JSON.stringify({ unreadable_base64: bytes.toString('base64') }), 'is not UTF-8 text, or contains a NUL byte', receivedAt);

/** The same text twice is the same event. */
const standInId = (raw: string): string => `invalid_${createHash('sha256').update(raw).digest('hex')}`;

function decode(body: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    return undefined;
  }
}

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;

const text = (value: unknown, name: string): string | null => {
  const found = field(value, name);
  return typeof found === 'string' ? found : null;
};

/** A foreign id that can stand in an indexed column. */
function key(value: unknown, name: string): string | null {
  const found = text(value, name);
  return found !== null && found.length > 0 && found.length <= 255 && !found.includes('\0') && found.isWellFormed() ? found : null;
}

const firstKey = (name: string, ...values: unknown[]): string | null =>
  values.map((value) => key(value, name)).find((id) => id !== null) ?? null;
