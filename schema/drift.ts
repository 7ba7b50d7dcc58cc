import type { DriftKind as Kind } from '../src/ops/drift-classify.ts';
import { kindsOf } from '../src/ops/reconcile-compare.ts';
import { builder } from './builder.ts';
import { keyset, page, pageArgs } from './connection.ts';
import { DriftCount, DriftKind } from './drift-count.ts';
import { toMaxRevocations } from './max-revocations.ts';
import { DriftReport } from './refs.ts';
import { ReplayStatus } from './replay-status.ts';

const DriftPhase = builder.enumType('DriftPhase', {
  description: 'SETTLING: the read has ended, and events that were on their way are waited for',
  values: ['USERS', 'GROUPS', 'MEMBERSHIPS', 'SETTLING', 'COMPARING', 'PREVIEWING', 'REPAIRING', 'FINISHED'] as const,
});

interface Item {
  /** Its key within the report. */
  id: string;
  kind: Kind;
  userId: string | null;
  groupId: string | null;
  local: unknown;
  source: unknown;
}

const DriftItem = builder.objectRef<Item>('DriftItem').implement({
  fields: (t) => ({
    kind: t.expose('kind', { type: DriftKind }),
    userId: t.exposeID('userId', { nullable: true }),
    groupId: t.exposeID('groupId', { nullable: true, description: 'With userId: of a membership' }),
    local: t.expose('local', {
      type: 'JSON',
      nullable: true,
      description: 'States, roles, memberships, and names of attributes: never what they hold',
    }),
    source: t.expose('source', { type: 'JSON', nullable: true }),
  }),
});

const DriftItemConnection = builder.connectionObject({ type: DriftItem, name: 'DriftItemConnection' }, { name: 'DriftItemEdge' });
const DriftReportConnection = builder.connectionObject({ type: DriftReport, name: 'DriftReportConnection' }, { name: 'DriftReportEdge' });

builder.prismaObjectFields(DriftReport, (t) => ({
  id: t.exposeID('id'),
  directoryId: t.exposeID('directoryId'),
  status: t.expose('status', { type: ReplayStatus }),
  phase: t.expose('phase', { type: DriftPhase }),
  repair: t.exposeBoolean('repair'),
  requestedBy: t.exposeString('requestedBy'),
  usersRead: t.exposeInt('usersRead'),
  groupsRead: t.exposeInt('groupsRead'),
  membershipsRead: t.exposeInt('membershipsRead'),
  accountsChecked: t.exposeInt('accountsChecked', { description: 'Without those that newer events, or events under way, concern' }),
  accountsDrifted: t.exposeInt('accountsDrifted'),
  byKind: t.field({ type: [DriftCount], resolve: kindsOf }),
  items: t.field({
    type: DriftItemConnection,
    args: { ...pageArgs },
    resolve: ({ id: reportId }, args, context) =>
      page<Item>(context, 'drift items', args, {
        rows: async (afterKey, take) => {
          const where = { reportId, ...(afterKey !== null && { key: { gt: afterKey } }) };
          const rows = await context.db.driftItem.findMany({ where, orderBy: { key: 'asc' }, take });
          return rows.map(({ key, ...item }) => ({ ...item, id: key }));
        },
        count: () => context.db.driftItem.count({ where: { reportId } }),
      }),
  }),
  repaired: t.exposeInt('repaired', { description: 'Differences that were put right' }),
  confirmToken: t.exposeString('confirmToken', {
    nullable: true,
    description: 'While AWAITING_CONFIRMATION: give it back to reconcileDirectory within an hour, and this very difference is repaired',
  }),
  error: t.exposeString('error', { nullable: true }),
  createdAt: t.expose('createdAt', { type: 'DateTime' }),
  startedAt: t.expose('startedAt', { type: 'DateTime', nullable: true }),
  finishedAt: t.expose('finishedAt', { type: 'DateTime', nullable: true }),
}));

builder.queryFields((t) => ({
  driftReport: t.field({
    type: DriftReport,
    nullable: true,
    authScopes: { scope: 'SYNC_READ' },
    args: { id: t.arg.id({ required: true }) },
    resolve: (_root, { id }, { db }) => db.driftReport.findUnique({ where: { id } }),
  }),
  driftReports: t.field({
    type: DriftReportConnection,
    authScopes: { scope: 'SYNC_READ' },
    args: { directoryId: t.arg.id(), ...pageArgs },
    resolve: (_root, args, context) => {
      const where = args.directoryId == null ? {} : { directoryId: args.directoryId };
      return page(context, 'drift reports', args, {
        rows: (afterId, limit) => context.db.driftReport.findMany(keyset(where, afterId, limit)),
        count: () => context.db.driftReport.count({ where }),
      });
    },
  }),
}));

builder.mutationField('reconcileDirectory', (t) =>
  t.field({
    type: DriftReport,
    authScopes: { scope: 'SYNC_OPERATE' },
    args: {
      directoryId: t.arg.id({ required: true }),
      repair: t.arg.boolean({ defaultValue: false }),
      maxRevocations: t.arg.int({
        description:
          'So many accounts may lose a permission by a repair, else it waits for its confirmToken. Left out: 20, or 5 % of the active accounts if that is more',
      }),
      confirmToken: t.arg.string(),
    },
    resolve: (_root, { directoryId, repair, maxRevocations, confirmToken }, { services, caller }) =>
      services.reconciliations.start(
        { directoryId, repair: repair ?? false, maxRevocations: toMaxRevocations(maxRevocations), confirmToken: confirmToken ?? null },
        caller,
      ),
  }),
);
