// Pure: what a caller wants replayed, checked, in the form in which the replay row keeps it, and the same as a condition on
// the inbox.
import { AccessError } from '../errors.ts';
import type { IncomingEvent } from '../ingest/envelope.ts';

export interface ReplayRequest {
  organizationId: string | null;
  directoryId: string | null;
  userId: string | null;
  groupId: string | null;
  eventIds: string[] | null;
  /** occurredAt, inclusive. */
  from: Date | null;
  /** occurredAt, exclusive. */
  to: Date | null;
  /** Exclusive. */
  afterEventId: string | null;
  /** Inclusive. */
  untilEventId: string | null;
  eventTypes: string[] | null;
  source: 'LOG' | 'WORKOS_EVENTS';
  dryRun: boolean;
  /** Accounts that may lose a permission; null: the default of src/entitlements/revocation-limit.ts. */
  maxRevocations: number | null;
  /** Of the preview that is confirmed by this. */
  confirmToken: string | null;
  idempotencyKey: string | null;
  reason: string | null;
}

/** As JSON. All given conditions must hold; an empty list matches nothing. */
export interface ReplaySelection {
  organizationId: string | null;
  directoryId: string | null;
  userId: string | null;
  groupId: string | null;
  eventIds: string[] | null;
  from: string | null;
  to: string | null;
  afterEventId: string | null;
  untilEventId: string | null;
  eventTypes: string[] | null;
}

const MAX_LISTED = 10_000;
const MAX_TEXT_LENGTH = 1_000;
const EVENT_ID = /^event_[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

const refused = (message: string): AccessError => new AccessError('BAD_USER_INPUT', message);

/** Throws BAD_USER_INPUT for what no log could answer. */
export function toSelection(request: ReplayRequest): ReplaySelection {
  const { organizationId, directoryId, userId, groupId, eventIds, from, to, afterEventId, untilEventId, eventTypes } = request;
  const texts = {
    organizationId,
    directoryId,
    userId,
    groupId,
    afterEventId,
    untilEventId,
    confirmToken: request.confirmToken,
    idempotencyKey: request.idempotencyKey,
    reason: request.reason,
  };
  for (const [name, text] of Object.entries(texts)) {
    if (text === null) continue;
    if (text.length > MAX_TEXT_LENGTH || text.includes('\0') || !text.isWellFormed()) {
      throw refused(`${name}: must be well-formed text of at most ${MAX_TEXT_LENGTH} characters, without NUL.`);
    }
    if (text === '' && name !== 'reason') throw refused(`${name}: is empty. Leave it out to say nothing about it.`);
  }
  for (const [name, list] of Object.entries({ eventIds, eventTypes })) {
    if (list && list.length > MAX_LISTED)
      throw refused(`${name}: at most ${MAX_LISTED} at once, not ${list.length}. A range or a filter says more with less.`);
    if (list?.some((text) => text.includes('\0') || !text.isWellFormed()))
      throw refused(`${name}: holds text with a NUL, or that is not well-formed.`);
  }
  if (eventIds && (from ?? to ?? afterEventId ?? untilEventId) !== null) {
    throw refused('eventIds names the events one by one: leave out from, to, afterEventId and untilEventId, or leave out eventIds.');
  }
  for (const [name, id] of Object.entries({ afterEventId, untilEventId })) {
    if (id !== null && !EVENT_ID.test(id)) throw refused(`${name}: is not the id of an event; it looks like event_01HXYZ….`);
  }
  if (request.source === 'WORKOS_EVENTS' && eventIds?.some((id) => !EVENT_ID.test(id))) {
    throw refused('eventIds: WorkOS knows its events by ids that look like event_01HXYZ…; one of these does not.');
  }
  if (request.maxRevocations !== null && request.maxRevocations < 0) throw refused('maxRevocations: must be 0 or more.');
  if (from && to && from >= to) throw refused('from must be before to: nothing can have happened in between.');
  if (afterEventId !== null && untilEventId !== null && afterEventId >= untilEventId) {
    throw refused('afterEventId must come before untilEventId: there is nothing in between.');
  }
  return {
    organizationId,
    directoryId,
    userId,
    groupId,
    eventIds: eventIds && [...new Set(eventIds)].sort(),
    from: from?.toISOString() ?? null,
    to: to?.toISOString() ?? null,
    afterEventId,
    untilEventId,
    eventTypes: eventTypes && [...new Set(eventTypes)].sort(),
  };
}

/** Whether two stored selections ask for the same, whatever the order of their keys. */
export const sameSelection = (a: ReplaySelection, b: ReplaySelection): boolean => canonical(a) === canonical(b);

const canonical = (selection: ReplaySelection): string => JSON.stringify(Object.entries(selection).sort(([a], [b]) => (a < b ? -1 : 1)));

/** What a confirmation is bound to, besides the difference itself. */
export const scopeOf = (tenant: string | null, source: ReplayRequest['source'], selection: ReplaySelection): string =>
  JSON.stringify([tenant, source, canonical(selection)]);

/** SELECTED for an event that may not be stored yet. */
export function isSelected(event: IncomingEvent, selection: ReplaySelection, tenant: string | null): boolean {
  const { organizationId, directoryId, userId, groupId, eventIds, eventTypes, from, to, afterEventId, untilEventId } = selection;
  const is = (wanted: string | null, value: string | null): boolean => wanted === null || wanted === value;
  const occurredAt = event.occurredAt.toISOString();
  return (
    is(tenant, event.partition) &&
    is(organizationId, event.partition) &&
    is(directoryId, event.directoryId) &&
    is(userId, event.userId) &&
    is(groupId, event.groupId) &&
    (eventIds === null || eventIds.includes(event.id)) &&
    (eventTypes === null || eventTypes.includes(event.type)) &&
    (from === null || occurredAt >= from) &&
    (to === null || occurredAt < to) &&
    (afterEventId === null || event.id > afterEventId) &&
    (untilEventId === null || event.id <= untilEventId)
  );
}

/**
 * Condition on `directory_event e`, $1 to $12. What arrived after the replay was asked for is not part of it, so a resumed
 * one works on the same set. A skipped event has no part in anything.
 */
export const SELECTED = `
  e.received_at <= $1::timestamptz AND e.status <> 'SKIPPED'
  AND ($2::text IS NULL OR e.partition = $2) AND ($3::text IS NULL OR e.partition = $3)
  AND ($4::text IS NULL OR e.directory_id = $4) AND ($5::text IS NULL OR e.user_id = $5) AND ($6::text IS NULL OR e.group_id = $6)
  AND ($7::text[] IS NULL OR e.id = ANY($7::text[])) AND ($8::text[] IS NULL OR e.type = ANY($8::text[]))
  AND ($9::timestamptz IS NULL OR e.occurred_at >= $9) AND ($10::timestamptz IS NULL OR e.occurred_at < $10)
  AND ($11::text IS NULL OR e.id > $11) AND ($12::text IS NULL OR e.id <= $12)`;

export function selectedParameters(selection: ReplaySelection, tenant: string | null, receivedUntil: Date): unknown[] {
  const { organizationId, directoryId, userId, groupId, eventIds, eventTypes, from, to, afterEventId, untilEventId } = selection;
  return [
    receivedUntil.toISOString(),
    tenant,
    organizationId,
    directoryId,
    userId,
    groupId,
    eventIds,
    eventTypes,
    from,
    to,
    afterEventId,
    untilEventId,
  ];
}
