// Everybody's access in one organization as of one position. The cursor carries that position, so that every page of one
// snapshot agrees whatever happens meanwhile, and `asOf` is where to follow the change feed from.
import type { EffectiveAnswer } from '../src/entitlements/read.ts';
import { AccessError } from '../src/errors.ts';
import { cursorBeyondEnd } from '../src/feed/feed-errors.ts';
import type { Position } from '../src/model/cursor.ts';
import { builder } from './builder.ts';
import { decodeTag, encodeTag, pageArgs, pageSize } from './connection.ts';
import { EffectiveEntitlements } from './refs.ts';

const KIND = 'entitlementSnapshot';

interface Snapshot {
  nodes: EffectiveAnswer[];
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null };
  asOf: Position;
}

const EntitlementSnapshotConnection = builder.objectRef<Snapshot>('EntitlementSnapshotConnection').implement({
  description: 'Every page of one snapshot has the same asOf',
  fields: (t) => ({
    nodes: t.expose('nodes', { type: [EffectiveEntitlements] }),
    pageInfo: t.expose('pageInfo', { type: builder.pageInfoRef() }),
    asOf: t.field({ type: 'Cursor', resolve: ({ asOf }, _args, { cursorOf }) => cursorOf(asOf) }),
  }),
});

/** `<asOf as a cursor of the log> <organization> <last user>`: a snapshot of another log or organization is refused. */
const encode = (...parts: [asOf: string, organizationId: string, userId: string]): string => encodeTag(KIND, parts.join(' '));

function decode(cursor: string, organizationId: string): { asOf: string; userId: string } {
  const [asOf, organization, userId, ...rest] = decodeTag(KIND, cursor).split(' ');
  if (!asOf || !userId || rest.length > 0 || organization !== organizationId) {
    throw new AccessError('CURSOR_INVALID', 'This cursor belongs to the snapshot of another organization.');
  }
  return { asOf, userId };
}

builder.queryField('entitlementSnapshot', (t) =>
  t.field({
    type: EntitlementSnapshotConnection,
    authScopes: { scope: 'ENTITLEMENTS_READ' },
    args: { organizationId: t.arg.id({ required: true }), ...pageArgs },
    resolve: async (_root, { organizationId, first, after }, { reads, cursorOf, positionOf }) => {
      const size = pageSize(first);
      const from = after == null ? null : decode(after, organizationId);
      const { position: head } = await reads.head();
      const asOf = from ? positionOf(from.asOf) : head;
      if (asOf > head) throw cursorBeyondEnd();
      const rows = await reads.snapshotPage({ organizationId, asOf, afterUserId: from?.userId ?? null, limit: size + 1 });
      const nodes = rows.slice(0, size);
      const cursor = (answer: EffectiveAnswer | undefined) => (answer ? encode(cursorOf(asOf), organizationId, answer.userId) : null);
      return {
        nodes,
        asOf,
        pageInfo: {
          hasNextPage: rows.length > size,
          hasPreviousPage: from !== null,
          startCursor: cursor(nodes[0]),
          endCursor: cursor(nodes.at(-1)),
        },
      };
    },
  }),
);
