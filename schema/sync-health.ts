import type { SyncHealth as Health, HealthScope } from '../src/ops/health.ts';
import { builder } from './builder.ts';
import { DriftCount } from './drift-count.ts';
import { follow } from './follow.ts';
import { SyncHealth } from './refs.ts';

const SyncStatus = builder.enumType('SyncStatus', { values: ['HEALTHY', 'DEGRADED', 'FAILING'] as const });

const SyncProblem = builder.objectRef<Health['problems'][number]>('SyncProblem').implement({
  fields: (t) => ({ code: t.exposeString('code'), message: t.exposeString('message'), since: t.expose('since', { type: 'DateTime' }) }),
});

const Latency = builder.objectRef<Health['eventLag']>('Latency').implement({
  fields: (t) => ({
    p50Seconds: t.exposeFloat('p50Seconds', { nullable: true }),
    p95Seconds: t.exposeFloat('p95Seconds', { nullable: true }),
    p99Seconds: t.exposeFloat('p99Seconds', { nullable: true }),
    maxSeconds: t.exposeFloat('maxSeconds', { nullable: true }),
    samples: t.exposeInt('samples'),
  }),
});

const SyncCursor = builder.objectRef<Health['cursor']>('SyncCursor').implement({
  fields: (t) => ({
    eventId: t.exposeID('eventId', { nullable: true }),
    eventCreatedAt: t.expose('eventCreatedAt', { type: 'DateTime', nullable: true }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', nullable: true }),
    fallsOffRetentionAt: t.expose('fallsOffRetentionAt', { type: 'DateTime', nullable: true }),
  }),
});

const EventCounts = builder.objectRef<Health['events']>('EventCounts').implement({
  fields: (t) => ({
    received: t.exposeInt('received'),
    duplicate: t.exposeInt('duplicate'),
    pending: t.exposeInt('pending'),
    applied: t.exposeInt('applied'),
    stale: t.exposeInt('stale'),
    ignored: t.exposeInt('ignored'),
    quarantined: t.exposeInt('quarantined'),
    failedAttempts: t.exposeInt('failedAttempts'),
  }),
});

const ReplayCounts = builder.objectRef<Health['replays']>('ReplayCounts').implement({
  fields: (t) => ({
    running: t.exposeInt('running'),
    succeeded: t.exposeInt('succeeded'),
    failed: t.exposeInt('failed'),
    successRate: t.exposeFloat('successRate', { nullable: true }),
  }),
});

const DriftSummary = builder.objectRef<Health['drift']>('DriftSummary').implement({
  fields: (t) => ({
    accountsChecked: t.exposeInt('accountsChecked'),
    accountsDrifted: t.exposeInt('accountsDrifted'),
    byKind: t.expose('byKind', { type: [DriftCount] }),
    lastReportId: t.exposeID('lastReportId', { nullable: true }),
    lastCheckedAt: t.expose('lastCheckedAt', { type: 'DateTime', nullable: true }),
  }),
});

const FeedHealth = builder.objectRef<Health['feed']>('FeedHealth').implement({
  fields: (t) => ({
    head: t.field({ type: 'Cursor', resolve: ({ head }, _args, { cursorOf }) => cursorOf(head) }),
    unrelayed: t.exposeInt('unrelayed', { description: 'Changes recorded and not handed on' }),
    relayLagSeconds: t.exposeFloat('relayLagSeconds'),
    subscribers: t.exposeInt('subscribers', { description: 'Over all nodes' }),
    slowestSubscriberLagSeconds: t.exposeFloat('slowestSubscriberLagSeconds', { nullable: true }),
    stalledReaders: t.exposeInt('stalledReaders', { description: 'Subscribers cut off because they took nothing, since the nodes began' }),
  }),
});

const WebhookHealth = builder.objectRef<Health['webhooks']>('WebhookHealth').implement({
  description: 'Deliveries within the window, to the hour; 0 for a part',
  fields: (t) => ({ accepted: t.exposeInt('accepted'), refused: t.exposeInt('refused') }),
});

const LeaseHealth = builder.objectRef<Health['leases'][number]>('LeaseHealth').implement({
  description: 'Which process does a job',
  fields: (t) => ({
    job: t.exposeString('job'),
    holder: t.exposeString('holder', { nullable: true, description: 'null: nobody does' }),
    epoch: t.field({ type: 'String', description: 'Rises with every takeover', resolve: ({ epoch }) => String(epoch) }),
    since: t.expose('since', { type: 'DateTime', description: 'Of the takeover, or of the end of the last lease' }),
  }),
});

const DependencyHealth = builder.objectRef<Health['dependencies'][number]>('DependencyHealth').implement({
  fields: (t) => ({
    name: t.exposeString('name'),
    ok: t.exposeBoolean('ok'),
    latencyMs: t.exposeFloat('latencyMs', { nullable: true }),
    error: t.exposeString('error', { nullable: true }),
  }),
});

builder.objectType(SyncHealth, {
  description: 'Of one directory, one organization, or everything the caller may see',
  fields: (t) => ({
    status: t.expose('status', { type: SyncStatus }),
    problems: t.expose('problems', { type: [SyncProblem] }),
    checkedAt: t.expose('checkedAt', { type: 'DateTime' }),
    windowSeconds: t.exposeInt('windowSeconds'),
    cursor: t.expose('cursor', { type: SyncCursor }),
    currentLagSeconds: t.exposeFloat('currentLagSeconds', { description: 'Age of the oldest known event not yet applied' }),
    eventLag: t.expose('eventLag', { type: Latency, description: 'event.created_at → applied' }),
    revocationLatency: t.expose('revocationLatency', {
      type: Latency,
      description: 'event.created_at → revocation published to subscribers',
    }),
    events: t.expose('events', { type: EventCounts }),
    replays: t.expose('replays', { type: ReplayCounts }),
    drift: t.expose('drift', { type: DriftSummary }),
    feed: t.expose('feed', { type: FeedHealth }),
    webhooks: t.expose('webhooks', { type: WebhookHealth }),
    leases: t.expose('leases', { type: [LeaseHealth], description: 'Of the whole only' }),
    dependencies: t.expose('dependencies', { type: [DependencyHealth] }),
  }),
});

const scopeArgs = builder.args((t) => ({ organizationId: t.id(), directoryId: t.id() }));

const toScope = (args: { organizationId?: string | null | undefined; directoryId?: string | null | undefined }): HealthScope => ({
  organizationId: args.organizationId ?? null,
  directoryId: args.directoryId ?? null,
});

builder.queryField('syncHealth', (t) =>
  t.field({
    type: SyncHealth,
    authScopes: { scope: 'SYNC_READ' },
    args: { ...scopeArgs },
    resolve: (_root, args, { services, tenant }) => services.health.read(toScope(args), tenant),
  }),
);

builder.subscriptionField('syncHealth', (t) =>
  t.field({
    type: SyncHealth,
    authScopes: { scope: 'SYNC_READ' },
    args: { ...scopeArgs },
    subscribe: (_root, args, context) =>
      follow(
        context,
        (signal) => context.services.health.watch(toScope(args), context.tenant, signal),
        (health) => health,
      ),
    resolve: (health) => health,
  }),
);
