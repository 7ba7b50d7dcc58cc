// Connections by keyset: `after` names the last id of the page before, so a page costs the same wherever it lies and a row
// that comes or goes shifts nothing. A cursor carries the kind of its list: one of another list, or of the change log, is
// refused instead of being taken for an id. Ids are COLLATE "C", so the database and JavaScript sort alike.
import { AccessError } from '../src/errors.ts';
import { builder } from './builder.ts';
import type { Context } from './context.ts';

const DEFAULT_PAGE = 50;
const MAX_PAGE = 500;

export interface PageArgs {
  first?: number | null | undefined;
  after?: string | null | undefined;
}

export interface Page<T> {
  edges: { cursor: string; node: T }[];
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null };
  /** Only runs when it is selected. */
  totalCount(): Promise<number>;
}

export interface PageSource<T> {
  /** In ascending order of id, at most `limit`. */
  rows(afterId: string | null, limit: number): Promise<T[]>;
  count(): Promise<number>;
}

export const pageArgs = builder.args((t) => ({ first: t.int(), after: t.string() }));

/** Refuses what is out of bounds: a shorter page than asked for would look like the end of the list. */
export function pageSize(first: number | null | undefined): number {
  const size = first ?? DEFAULT_PAGE;
  if (size < 1 || size > MAX_PAGE) throw new AccessError('BAD_USER_INPUT', `\`first\` must be from 1 to ${MAX_PAGE}, not ${size}.`);
  return size;
}

export const encodeTag = (kind: string, key: string): string => Buffer.from(`${kind}:${key}`).toString('base64url');

export function decodeTag(kind: string, cursor: string): string {
  const text = Buffer.from(cursor, 'base64url').toString();
  const key = text.slice(kind.length + 1);
  if (key === '' || key.includes('\0') || encodeTag(kind, key) !== cursor) {
    throw new AccessError(
      'CURSOR_INVALID',
      `This is not a cursor of the list "${kind}". Use an endCursor that this list returned, or leave \`after\` out.`,
    );
  }
  return key;
}

export async function page<T extends { id: string }>(
  { budget }: Context,
  kind: string,
  { first, after }: PageArgs,
  source: PageSource<T>,
): Promise<Page<T>> {
  const size = pageSize(first);
  budget.spend(size);
  const rows = await source.rows(after == null ? null : decodeTag(kind, after), size + 1);
  const edges = rows.slice(0, size).map((node) => ({ cursor: encodeTag(kind, node.id), node }));
  return {
    edges,
    pageInfo: {
      hasNextPage: rows.length > size,
      hasPreviousPage: after != null,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
    totalCount: source.count,
  };
}

/** The arguments of `findMany` for one page of the rows that meet `where`. */
export const keyset = <W extends object>(where: W, afterId: string | null, limit: number) => ({
  where: { AND: [where, afterId === null ? {} : { id: { gt: afterId } }] },
  orderBy: { id: 'asc' as const },
  take: limit,
});
