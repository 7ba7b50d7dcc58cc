import type { Prisma } from '../src/db/client.ts';
import { AccessError } from '../src/errors.ts';
import { builder } from './builder.ts';
import { keyset, page, pageArgs } from './connection.ts';
import { DirectoryEvent, EntitlementChange } from './refs.ts';

const MAX_RETRIED = 500;

const EventStatus = builder.enumType('EventStatus', {
  values: ['PENDING', 'APPLIED', 'STALE', 'IGNORED', 'QUARANTINED', 'SKIPPED'] as const,
});

const EventChannel = builder.enumType('EventChannel', { values: ['EVENTS_API', 'WEBHOOK', 'REPLAY'] as const });

const DirectoryEventConnection = builder.connectionObject(
  { type: DirectoryEvent, name: 'DirectoryEventConnection' },
  { name: 'DirectoryEventEdge' },
);

/** What arrived may be no JSON at all: then it is shown as the text that it is. */
function payloadOf(raw: string): unknown {
  try {
    return JSON.parse(raw);
  } catch {
    return raw;
  }
}

builder.prismaObjectFields(DirectoryEvent, (t) => ({
  id: t.exposeID('id'),
  type: t.exposeString('type'),
  organizationId: t.exposeID('organizationId', { nullable: true }),
  directoryId: t.exposeID('directoryId', { nullable: true }),
  payload: t.field({ type: 'JSON', description: 'As it arrived', resolve: ({ raw }) => payloadOf(raw) }),
  status: t.expose('status', { type: EventStatus }),
  channel: t.expose('channel', { type: EventChannel }),
  attempts: t.exposeInt('attempts'),
  error: t.exposeString('error', { nullable: true }),
  occurredAt: t.expose('occurredAt', { type: 'DateTime' }),
  receivedAt: t.expose('receivedAt', { type: 'DateTime' }),
  appliedAt: t.expose('appliedAt', { type: 'DateTime', nullable: true }),
  changes: t.field({
    type: [EntitlementChange],
    resolve: async ({ id }, _args, { load }) => (await load.changesOfEvent(id)) ?? [],
  }),
}));

builder.queryFields((t) => ({
  directoryEvent: t.field({
    type: DirectoryEvent,
    nullable: true,
    authScopes: { scope: 'SYNC_READ' },
    args: { id: t.arg.id({ required: true }) },
    resolve: (_root, { id }, { db }) => db.directoryEvent.findUnique({ where: { id } }),
  }),
  directoryEvents: t.field({
    type: DirectoryEventConnection,
    authScopes: { scope: 'SYNC_READ' },
    args: {
      organizationId: t.arg.id(),
      directoryId: t.arg.id(),
      userId: t.arg.id(),
      groupId: t.arg.id(),
      types: t.arg.stringList(),
      statuses: t.arg({ type: [EventStatus] }),
      from: t.arg({ type: 'DateTime', description: 'occurredAt, inclusive' }),
      to: t.arg({ type: 'DateTime', description: 'occurredAt, exclusive' }),
      ...pageArgs,
    },
    resolve: (_root, args, context) => {
      const where: Prisma.DirectoryEventWhereInput = {
        ...(args.organizationId != null && { partition: args.organizationId }),
        ...(args.directoryId != null && { directoryId: args.directoryId }),
        ...(args.userId != null && { userId: args.userId }),
        ...(args.groupId != null && { groupId: args.groupId }),
        ...(args.types != null && { type: { in: args.types } }),
        ...(args.statuses != null && { status: { in: args.statuses } }),
        occurredAt: { ...(args.from != null && { gte: args.from }), ...(args.to != null && { lt: args.to }) },
      };
      return page(context, 'directoryEvents', args, {
        rows: (afterId, limit) => context.db.directoryEvent.findMany(keyset(where, afterId, limit)),
        count: () => context.db.directoryEvent.count({ where }),
      });
    },
  }),
}));

builder.mutationFields((t) => ({
  retryEvents: t.field({
    type: [DirectoryEvent],
    authScopes: { scope: 'SYNC_OPERATE' },
    args: { eventIds: t.arg.idList({ required: true }) },
    resolve: (_root, { eventIds }, { services, caller }) => {
      if (eventIds.length > MAX_RETRIED)
        throw new AccessError('BAD_USER_INPUT', `At most ${MAX_RETRIED} events at once, not ${eventIds.length}.`);
      return services.events.retry(eventIds, caller);
    },
  }),
  skipEvent: t.field({
    type: DirectoryEvent,
    authScopes: { scope: 'SYNC_OPERATE' },
    args: { eventId: t.arg.id({ required: true }), reason: t.arg.string({ required: true }) },
    resolve: (_root, { eventId, reason }, { services, caller }) => {
      if (reason.trim() === '')
        throw new AccessError('BAD_USER_INPUT', '`reason` must say why the event is skipped; it is kept with the event.');
      return services.events.skip(eventId, reason, caller);
    },
  }),
}));
