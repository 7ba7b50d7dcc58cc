// Pure: GET /events. Oldest first whatever `order` says (as the live service was reported to do); `after` excludes;
// nothing younger than the hold-back, nothing older than the retention.
import { type HistoryEvent, parseTime } from './history.ts';
import { badRequest, invalid, list, type Reply, readLimit } from './replies.ts';
import type { EventStream, StreamedEvent } from './stream.ts';

const DAY_MS = 86_400_000;

export interface EventsApiOptions {
  holdBackMs: number;
  retentionDays: number | null;
  /** An `after` that is not, or no longer, in the stream: 400, or go on from the place where it would be. */
  unknownAfter: 'refuse' | 'ignore';
  /** Every event is returned twice in a row; a page then holds half as many. */
  pageRepeats: boolean;
}

/** What is asked of the stream here. */
export type ListedEvents = Pick<EventStream, 'size' | 'at' | 'indexAfter'>;

interface Selection {
  types: ReadonlySet<string>;
  organizationId: string | null;
  fromMs: number;
  toMs: number;
}

export function listEvents(stream: ListedEvents, query: URLSearchParams, nowMs: number, options: EventsApiOptions): Reply {
  const after = query.get('after');
  const rangeStart = query.get('range_start');
  const fromMs = rangeStart === null ? Number.NEGATIVE_INFINITY : parseTime(rangeStart);
  const rangeEnd = query.get('range_end');
  const toMs = rangeEnd === null ? Number.POSITIVE_INFINITY : parseTime(rangeEnd);
  const types = new Set(query.getAll('events').flatMap((names) => names.split(',').filter((name) => name !== '')));
  const limit = readLimit(query);

  if (types.size === 0) return invalid('events', 'required');
  if (limit === undefined) return invalid('limit', 'out_of_range');
  if (Number.isNaN(fromMs)) return invalid('range_start', 'invalid_date');
  if (Number.isNaN(toMs)) return invalid('range_end', 'invalid_date');
  if (query.has('before')) return invalid('before', 'not_supported_by_the_fake');
  if (after !== null && rangeStart !== null) return badRequest('The parameters `after` and `range_start` cannot be used together.');

  const oldestMs = options.retentionDays === null ? Number.NEGATIVE_INFINITY : nowMs - options.retentionDays * DAY_MS;
  if (after !== null && options.unknownAfter === 'refuse' && !isKept(stream, after, oldestMs)) {
    return badRequest(`Event not found: '${after}'.`);
  }
  const selection = { types, organizationId: query.get('organization_id'), fromMs: Math.max(fromMs, oldestMs), toMs };
  const start = after === null ? 0 : stream.indexAfter(after);
  const pageSize = options.pageRepeats ? Math.max(1, Math.floor(limit / 2)) : limit;
  const { events, more } = select(stream, start, pageSize, selection, nowMs - options.holdBackMs);
  const data = options.pageRepeats ? events.flatMap((event) => [event, event]).slice(0, limit) : events;
  return list(data, null, more ? (events.at(-1)?.id ?? null) : null);
}

function isKept(stream: ListedEvents, id: string, oldestMs: number): boolean {
  const item = stream.at(stream.indexAfter(id) - 1);
  return item?.event.id === id && item.createdAtMs >= oldestMs;
}

function select(stream: ListedEvents, start: number, limit: number, selection: Selection, arrivedUntilMs: number) {
  const events: HistoryEvent[] = [];
  for (let index = start; index < stream.size; index += 1) {
    const item = stream.at(index) as StreamedEvent;
    if (item.arrivedAtMs > arrivedUntilMs) break; // held back: nothing after it either
    if (!item.shown || !matches(item, selection)) continue;
    if (events.length === limit) return { events, more: true };
    events.push(item.event);
  }
  return { events, more: false };
}

const matches = (item: StreamedEvent, { types, organizationId, fromMs, toMs }: Selection): boolean =>
  types.has(item.event.event) &&
  item.createdAtMs >= fromMs &&
  item.createdAtMs <= toMs &&
  (organizationId === null || organizationOf(item.event.event, item.event.data) === organizationId);

/** Organization of an event: of the entity itself, or of the user inside a membership event. */
export function organizationOf(type: string, data: unknown): string | null {
  const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);
  const field = (value: unknown, name: string): unknown =>
    typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
  if (type.startsWith('organization.')) return text(field(data, 'id'));
  return text(field(data, 'organization_id')) ?? text(field(field(data, 'user'), 'organization_id'));
}
