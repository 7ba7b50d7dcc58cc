import { cursorBeyondEnd, cursorExpired } from '../src/feed/feed-errors.ts';
import type { ChangeFilter, RecordedChange } from '../src/model/change.ts';
import type { Position } from '../src/model/cursor.ts';
import { builder } from './builder.ts';
import { pageSize } from './connection.ts';
import { follow } from './follow.ts';
import { OF_THE_ITEM } from './of-the-item.ts';
import { EntitlementChange, User } from './refs.ts';

const ChangeCauseKind = builder.enumType('ChangeCauseKind', {
  values: ['DIRECTORY_EVENT', 'REPLAY', 'RECONCILIATION', 'CATALOG_CHANGE', 'GRANT_CHANGE', 'GRANT_EXPIRY'] as const,
});

const ChangeCause = builder.objectRef<RecordedChange['cause']>('ChangeCause').implement({
  fields: (t) => ({
    kind: t.expose('kind', { type: ChangeCauseKind, ...OF_THE_ITEM }),
    eventId: t.exposeID('eventId', { nullable: true, ...OF_THE_ITEM }),
    eventType: t.exposeString('eventType', { nullable: true, ...OF_THE_ITEM }),
    replayId: t.exposeID('replayId', { nullable: true, ...OF_THE_ITEM }),
    driftReportId: t.exposeID('driftReportId', { nullable: true, ...OF_THE_ITEM }),
    actor: t.exposeString('actor', { nullable: true, ...OF_THE_ITEM }),
    reason: t.exposeString('reason', { nullable: true, ...OF_THE_ITEM }),
  }),
});

builder.objectType(EntitlementChange, {
  description: 'The net change of one user’s effective access by one cause; never empty',
  fields: (t) => ({
    cursor: t.field({ type: 'Cursor', ...OF_THE_ITEM, resolve: ({ position }, _args, { cursorOf }) => cursorOf(position) }),
    organizationId: t.exposeID('organizationId', OF_THE_ITEM),
    directoryId: t.exposeID('directoryId', OF_THE_ITEM),
    userId: t.exposeID('userId', OF_THE_ITEM),
    user: t.field({ type: User, nullable: true, resolve: ({ userId }, _args, { load }) => load.user(userId) }),
    grantedPermissions: t.exposeStringList('grantedPermissions', OF_THE_ITEM),
    revokedPermissions: t.exposeStringList('revokedPermissions', OF_THE_ITEM),
    grantedRoles: t.exposeStringList('grantedRoles', OF_THE_ITEM),
    revokedRoles: t.exposeStringList('revokedRoles', OF_THE_ITEM),
    cause: t.expose('cause', { type: ChangeCause, ...OF_THE_ITEM }),
    occurredAt: t.field({
      type: 'DateTime',
      ...OF_THE_ITEM,
      description: 'When the cause happened at its source',
      resolve: ({ cause }) => cause.occurredAt,
    }),
    recordedAt: t.expose('recordedAt', { type: 'DateTime', ...OF_THE_ITEM }),
  }),
});

interface Checkpoint {
  position: Position;
  caughtUp: boolean;
  at: Date;
}

const FeedCheckpoint = builder.objectRef<Checkpoint>('FeedCheckpoint').implement({
  fields: (t) => ({
    cursor: t.field({ type: 'Cursor', ...OF_THE_ITEM, resolve: ({ position }, _args, { cursorOf }) => cursorOf(position) }),
    caughtUp: t.exposeBoolean('caughtUp', OF_THE_ITEM),
    at: t.expose('at', { type: 'DateTime', ...OF_THE_ITEM }),
  }),
});

const EntitlementFeedItem = builder.unionType('EntitlementFeedItem', {
  types: [EntitlementChange, FeedCheckpoint],
  resolveType: (item) => ('caughtUp' in item ? FeedCheckpoint : EntitlementChange),
});

const EntitlementChangeFilter = builder.inputType('EntitlementChangeFilter', {
  description: 'All given conditions must hold; within one list any value will do',
  fields: (t) => ({
    organizationId: t.id(),
    directoryId: t.id(),
    userIds: t.idList(),
    permissions: t.stringList(),
    roles: t.stringList(),
  }),
});

type FilterInput = typeof EntitlementChangeFilter.$inferInput;

const toFilter = (input: FilterInput | null | undefined): ChangeFilter => ({
  organizationId: input?.organizationId ?? null,
  directoryId: input?.directoryId ?? null,
  userIds: input?.userIds ?? null,
  permissions: input?.permissions ?? null,
  roles: input?.roles ?? null,
});

builder.queryField('entitlementChanges', (t) =>
  t.field({
    type: [EntitlementChange],
    authScopes: { scope: 'CHANGES_SUBSCRIBE' },
    description: 'Oldest first; without `after` from the oldest kept',
    args: { filter: t.arg({ type: EntitlementChangeFilter }), after: t.arg({ type: 'Cursor' }), first: t.arg.int() },
    resolve: async (_root, { filter, after, first }, { reads, positionOf }) => {
      const limit = pageSize(first);
      const { position: end, keptAfter } = await reads.head();
      const position = after == null ? keptAfter : positionOf(after);
      if (position > end) throw cursorBeyondEnd();
      if (position < keptAfter) throw cursorExpired();
      return reads.changes({ after: position, limit, filter: toFilter(filter) });
    },
  }),
);

builder.subscriptionField('entitlementChanges', (t) =>
  t.field({
    type: EntitlementFeedItem,
    authScopes: { scope: 'CHANGES_SUBSCRIBE' },
    ...OF_THE_ITEM,
    description:
      'Without `after` from now on; with it everything after that position, in order, without gap or repeat, then live. A checkpoint comes first, at least every 15 s of silence, and whenever the feed has caught up.',
    args: { filter: t.arg({ type: EntitlementChangeFilter }), after: t.arg({ type: 'Cursor' }) },
    subscribe: (_root, { filter, after }, context) => {
      const position = after == null ? null : context.positionOf(after);
      const { services, tenant, transport } = context;
      return follow(
        context,
        (signal) => services.feed.open({ filter: toFilter(filter), after: position, tenant, signal, transport }),
        (item) => (item.kind === 'change' ? item.change : item),
      );
    },
    resolve: (item) => item,
  }),
);
