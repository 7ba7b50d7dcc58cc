import type { ChangePreview } from '../src/entitlements/wide-chunk.ts';
import type { ReplayRequest, ReplayRow } from '../src/ops/replay.ts';
import { builder } from './builder.ts';
import { EntitlementChangePreview } from './change-preview.ts';
import { keyset, page, pageArgs, pageSize } from './connection.ts';
import { follow } from './follow.ts';
import { toMaxRevocations } from './max-revocations.ts';
import { Replay } from './refs.ts';
import { ReplayStatus } from './replay-status.ts';

const ReplaySource = builder.enumType('ReplaySource', {
  description: 'Our own stored events, or the Events API again',
  values: ['LOG', 'WORKOS_EVENTS'] as const,
});

const ReplayPhase = builder.enumType('ReplayPhase', {
  description: 'Each goes over what is selected from the beginning; the counts are those of the present phase',
  values: {
    FETCH: { description: 'WORKOS_EVENTS: what is missing here is read again' },
    PREVIEW: { description: 'Derives and compares, and alters nothing' },
    REPAIR: {},
  } as const,
});

const ReplayConnection = builder.connectionObject({ type: Replay, name: 'ReplayConnection' }, { name: 'ReplayEdge' });

/** Only ever grows, though each phase begins anew. */
function progressOf({ status, phase, dryRun, processed, total }: ReplayRow): number {
  if (dryRun || status === 'SUCCEEDED') return processed;
  if (phase === 'FETCH') return 0;
  return Math.floor((phase === 'PREVIEW' ? processed : total + processed) / 2);
}

builder.prismaObjectFields(Replay, (t) => ({
  id: t.exposeID('id'),
  status: t.expose('status', { type: ReplayStatus }),
  dryRun: t.exposeBoolean('dryRun'),
  phase: t.expose('phase', { type: ReplayPhase }),
  source: t.expose('source', { type: ReplaySource }),
  requestedBy: t.exposeString('requestedBy'),
  reason: t.exposeString('reason', { nullable: true }),
  processed: t.int({
    description: 'Of total. The preview is the first half of the way of a replay that may repair something.',
    resolve: progressOf,
  }),
  total: t.exposeInt('total'),
  repaired: t.exposeInt('repaired'),
  unchanged: t.exposeInt('unchanged'),
  failed: t.exposeInt('failed'),
  fetched: t.exposeInt('fetched', { description: 'Selected events that the Events API has shown' }),
  missing: t.exposeInt('missing', {
    description:
      'Those among them that were not here: stored, and applied like any event that comes late. A dry run stores none and previews the first 20,000.',
  }),
  grantedPermissions: t.exposeInt('grantedPermissions'),
  revokedPermissions: t.exposeInt('revokedPermissions'),
  affectedUsers: t.exposeInt('affectedUsers'),
  preview: t.field({
    type: [EntitlementChangePreview],
    args: { first: t.arg.int() },
    resolve: ({ preview }, { first }) => (preview as unknown as ChangePreview[]).slice(0, pageSize(first)),
  }),
  confirmToken: t.exposeString('confirmToken', {
    nullable: true,
    description: 'Allows exactly the difference that was previewed, for an hour: give it to replayEvents with the same selection',
  }),
  error: t.exposeString('error', { nullable: true }),
  createdAt: t.expose('createdAt', { type: 'DateTime' }),
  startedAt: t.expose('startedAt', { type: 'DateTime', nullable: true }),
  finishedAt: t.expose('finishedAt', { type: 'DateTime', nullable: true }),
}));

const ReplayEventsInput = builder.inputType('ReplayEventsInput', {
  fields: (t) => ({
    organizationId: t.id(),
    directoryId: t.id(),
    userId: t.id(),
    groupId: t.id(),
    eventIds: t.idList(),
    from: t.field({ type: 'DateTime' }),
    to: t.field({ type: 'DateTime' }),
    afterEventId: t.id(),
    untilEventId: t.id(),
    eventTypes: t.stringList(),
    source: t.field({ type: ReplaySource, defaultValue: 'LOG' }),
    dryRun: t.boolean({ defaultValue: false }),
    maxRevocations: t.int({
      description: 'Accounts that may lose a permission; left out: 5 % of the active ones or 20, whichever is larger',
    }),
    confirmToken: t.string(),
    idempotencyKey: t.string(),
    reason: t.string(),
  }),
});

const toReplayRequest = (input: typeof ReplayEventsInput.$inferInput): ReplayRequest => ({
  organizationId: input.organizationId ?? null,
  directoryId: input.directoryId ?? null,
  userId: input.userId ?? null,
  groupId: input.groupId ?? null,
  eventIds: input.eventIds ?? null,
  from: input.from ?? null,
  to: input.to ?? null,
  afterEventId: input.afterEventId ?? null,
  untilEventId: input.untilEventId ?? null,
  eventTypes: input.eventTypes ?? null,
  source: input.source ?? 'LOG',
  dryRun: input.dryRun ?? false,
  maxRevocations: toMaxRevocations(input.maxRevocations),
  confirmToken: input.confirmToken ?? null,
  idempotencyKey: input.idempotencyKey ?? null,
  reason: input.reason ?? null,
});

builder.queryFields((t) => ({
  replay: t.field({
    type: Replay,
    nullable: true,
    authScopes: { scope: 'SYNC_READ' },
    args: { id: t.arg.id({ required: true }) },
    resolve: (_root, { id }, { db }) => db.replay.findUnique({ where: { id } }),
  }),
  replays: t.field({
    type: ReplayConnection,
    authScopes: { scope: 'SYNC_READ' },
    args: { ...pageArgs },
    resolve: (_root, args, context) =>
      page(context, 'replays', args, {
        rows: (afterId, limit) => context.db.replay.findMany(keyset({}, afterId, limit)),
        count: () => context.db.replay.count(),
      }),
  }),
}));

builder.mutationFields((t) => ({
  replayEvents: t.field({
    type: Replay,
    authScopes: { scope: 'SYNC_OPERATE' },
    args: { input: t.arg({ type: ReplayEventsInput, required: true }) },
    resolve: (_root, { input }, { services, caller }) => services.replays.start(toReplayRequest(input), caller),
  }),
  cancelReplay: t.field({
    type: Replay,
    authScopes: { scope: 'SYNC_OPERATE' },
    args: { id: t.arg.id({ required: true }) },
    resolve: (_root, { id }, { services, tenant }) => services.replays.cancel(id, tenant),
  }),
}));

builder.subscriptionField('replayProgress', (t) =>
  t.field({
    type: Replay,
    authScopes: { scope: 'SYNC_READ' },
    args: { id: t.arg.id({ required: true }) },
    subscribe: (_root, { id }, context) =>
      follow(
        context,
        (signal) => context.services.replays.progress(id, context.tenant, signal),
        (row) => row,
      ),
    resolve: (row) => row,
  }),
);
