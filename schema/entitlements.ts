import { decide, type EffectiveAnswer, type Freshness as FreshnessOf, pathsOfRole, pathsTo } from '../src/entitlements/read.ts';
import { AccessError } from '../src/errors.ts';
import type { EntitlementPath as Path } from '../src/model/entitlement.ts';
import { builder } from './builder.ts';
import { page, pageArgs } from './connection.ts';
import type { Context } from './context.ts';
import { freshnessArgs, readFresh } from './freshness.ts';
import { OF_THE_ITEM, ofKept } from './of-the-item.ts';
import { EffectiveEntitlements, EntitlementPath, Freshness, Group } from './refs.ts';
import { needs } from './scope.ts';
import { UserConnection } from './user.ts';

const MAX_CHECKS = 100;

const EntitlementSource = builder.enumType('EntitlementSource', { values: ['GROUP', 'DIRECTORY_ROLE', 'GRANT'] as const });

builder.objectType(EntitlementPath, {
  description: 'One reason why: source → role',
  fields: (t) => ({
    role: t.exposeString('role', OF_THE_ITEM),
    source: t.expose('source', { type: EntitlementSource, ...OF_THE_ITEM }),
    group: t.field({
      type: Group,
      nullable: true,
      resolve: ({ groupId }, _args, { load }) => (groupId === null ? null : load.group(groupId)),
    }),
    grantId: t.exposeID('grantId', { nullable: true, ...OF_THE_ITEM }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', nullable: true, ...OF_THE_ITEM }),
    since: t.expose('since', { type: 'DateTime', ...OF_THE_ITEM }),
    causeEventId: t.exposeID('causeEventId', { nullable: true, ...OF_THE_ITEM }),
  }),
});

const EffectivePermission = builder.objectRef<{ permission: string; via: Path[] }>('EffectivePermission').implement({
  fields: (t) => ({
    permission: t.exposeString('permission', OF_THE_ITEM),
    via: t.expose('via', { type: [EntitlementPath], ...OF_THE_ITEM }),
  }),
});

const EffectiveRole = builder.objectRef<{ role: string; via: Path[] }>('EffectiveRole').implement({
  fields: (t) => ({
    role: t.exposeString('role', OF_THE_ITEM),
    via: t.expose('via', { type: [EntitlementPath], ...OF_THE_ITEM }),
  }),
});

/** Made of what is in force, and kept with it. */
const OF_ACCESS = ofKept(({ texts }: EffectiveAnswer) => texts);

builder.objectType(EffectiveEntitlements, {
  fields: (t) => ({
    userId: t.exposeID('userId'),
    roles: t.field({
      type: [EffectiveRole],
      ...OF_ACCESS,
      resolve: ({ effective, readAt }) => effective.roles.map((role) => ({ role, via: pathsOfRole(effective, role, readAt) })),
    }),
    permissions: t.field({
      type: [EffectivePermission],
      ...OF_ACCESS,
      resolve: ({ effective }) => effective.permissions.map((permission) => ({ permission, via: pathsTo(effective, permission) })),
    }),
    freshness: t.expose('freshness', { type: Freshness }),
  }),
});

const DecisionReason = builder.enumType('DecisionReason', {
  values: ['GRANTED', 'NO_PATH', 'USER_NOT_ACTIVE', 'USER_UNKNOWN', 'DIRECTORY_NOT_ACTIVE'] as const,
});

interface Check {
  userId: string;
  permission: string;
}

type AccessDecisionOf = Check & ReturnType<typeof decide> & { freshness: FreshnessOf };

async function decideOne({ userId, permission }: Check, { reads }: Context): Promise<AccessDecisionOf> {
  const answer = await reads.effectiveOf(userId);
  return { userId, permission, ...decide(answer, permission), freshness: answer?.freshness ?? (await reads.unknownFreshness()) };
}

const AccessDecision = builder.objectRef<AccessDecisionOf>('AccessDecision').implement({
  fields: (t) => ({
    userId: t.exposeID('userId'),
    permission: t.exposeString('permission'),
    allowed: t.exposeBoolean('allowed'),
    reason: t.expose('reason', { type: DecisionReason }),
    via: t.expose('via', { type: [EntitlementPath] }),
    freshness: t.expose('freshness', { type: Freshness }),
  }),
});

/** One statement for all users, one more when some are unknown. */
async function decideAll(checks: readonly Check[], { reads }: Context): Promise<AccessDecisionOf[]> {
  const answers = await reads.effective([...new Set(checks.map((check) => check.userId))]);
  const unknown = checks.every(({ userId }) => answers.has(userId)) ? undefined : await reads.unknownFreshness();
  return checks.map(({ userId, permission }) => {
    const answer = answers.get(userId);
    return { userId, permission, ...decide(answer, permission), freshness: (answer?.freshness ?? unknown) as FreshnessOf };
  });
}

const AccessCheck = builder.inputType('AccessCheck', {
  fields: (t) => ({ userId: t.id({ required: true }), permission: t.string({ required: true }) }),
});

const NEEDS = needs('ENTITLEMENTS_READ');

builder.queryFields((t) => ({
  effectiveEntitlements: t.field({
    type: EffectiveEntitlements,
    nullable: true,
    ...NEEDS,
    args: { userId: t.arg.id({ required: true }), ...freshnessArgs },
    resolve: (_root, { userId, ...fresh }, context) =>
      readFresh(
        fresh,
        context,
        () => context.reads.effectiveOf(userId),
        (answer) => (answer ? [answer.freshness] : []),
      ),
  }),
  checkAccess: t.field({
    type: AccessDecision,
    ...NEEDS,
    args: { userId: t.arg.id({ required: true }), permission: t.arg.string({ required: true }), ...freshnessArgs },
    resolve: (_root, { userId, permission, ...fresh }, context) =>
      readFresh(
        fresh,
        context,
        () => decideOne({ userId, permission }, context),
        ({ freshness }) => [freshness],
      ),
  }),
  checkAccesses: t.field({
    type: [AccessDecision],
    ...NEEDS,
    description: `In the order of \`checks\`, at most ${MAX_CHECKS}`,
    args: { checks: t.arg({ type: [AccessCheck], required: true }), ...freshnessArgs },
    resolve: (_root, { checks, ...fresh }, context) => {
      if (checks.length > MAX_CHECKS)
        throw new AccessError('BAD_USER_INPUT', `At most ${MAX_CHECKS} checks at once, not ${checks.length}.`);
      return readFresh(fresh, context, () => decideAll(checks, context), freshnessOfAll);
    },
  }),
  usersWithPermission: t.field({
    type: UserConnection,
    ...NEEDS,
    args: { organizationId: t.arg.id({ required: true }), permission: t.arg.string({ required: true }), ...pageArgs },
    resolve: (_root, { organizationId, permission, ...args }, context) =>
      page(context, 'usersWithPermission', args, {
        rows: async (afterUserId, limit) =>
          context.load.users(await context.reads.holders({ organizationId, permission, afterUserId, limit })),
        count: () => context.reads.countHolders({ organizationId, permission }),
      }),
  }),
}));

const freshnessOfAll = (decisions: readonly AccessDecisionOf[]) => decisions.map((decision) => decision.freshness);
