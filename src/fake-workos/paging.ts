// Pure: pages of the state API. Newest first unless `order=asc` (the documented default is `desc`); `after` goes on in
// the order of the list, `before` goes back; with `order=normal` the two change places. A page can go on after an
// object that has been deleted meanwhile.
import { badRequest, invalid, list, type Reply, readLimit } from './replies.ts';

export interface Listing<T> {
  /** Oldest first. */
  items: readonly T[];
  rankOf: (id: string) => number | undefined;
}

export function page<T extends { id: string }>(listing: Listing<T>, query: URLSearchParams, show: (item: T) => unknown): Reply {
  const limit = readLimit(query);
  const order = query.get('order') ?? 'desc';
  if (limit === undefined) return invalid('limit', 'out_of_range');
  if (order !== 'asc' && order !== 'desc' && order !== 'normal') return invalid('order', 'invalid');
  const [forwards, backwards] = order === 'normal' ? (['before', 'after'] as const) : (['after', 'before'] as const);
  const after = query.get(forwards);
  const before = query.get(backwards);
  if (after !== null && before !== null) return badRequest('The parameters `after` and `before` cannot be used together.');
  const cursor = after ?? before;
  const cursorRank = cursor === null ? undefined : listing.rankOf(cursor);
  if (cursor !== null && cursorRank === undefined) return badRequest(`Unknown cursor: '${cursor}'.`);

  const direction = order === 'asc' ? 1 : -1;
  const ordered = direction === 1 ? listing.items : listing.items.toReversed();
  const place = (item: T): number => direction * ((listing.rankOf(item.id) ?? 0) - (cursorRank ?? 0));
  const firstAfter = cursor === null ? 0 : ordered.findIndex((item) => (after === null ? place(item) >= 0 : place(item) > 0));
  const edge = firstAfter === -1 ? ordered.length : firstAfter;
  const [start, end] = before === null ? [edge, Math.min(ordered.length, edge + limit)] : [Math.max(0, edge - limit), edge];
  const shown = ordered.slice(start, end);
  const previous = start > 0 ? (shown[0]?.id ?? null) : null;
  const next = end < ordered.length ? (shown.at(-1)?.id ?? null) : null;
  return order === 'normal' ? list(shown.map(show), next, previous) : list(shown.map(show), previous, next);
}
