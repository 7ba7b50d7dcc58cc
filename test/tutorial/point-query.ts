// What a tutorial of Yoga, Pothos and Prisma leads to: access is worked out for every question from the user's memberships, their
// groups, the mappings and the roles. Nobody is asked who they are, and nothing is said of how fresh it is. Not below bench/, whose
// node_modules has a graphql of its own for the peers.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import SchemaBuilder from '@pothos/core';
import { PrismaPg } from '@prisma/adapter-pg';
import { createYoga } from 'graphql-yoga';
import { PrismaClient } from '../../prisma/generated/client/client.ts';
import { getDatamodel } from '../../prisma/generated/pothos.ts';

const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: process.env.DATABASE_URL ?? '', max: 10 }) });

interface Path {
  role: string;
  source: 'GROUP';
  since: string;
  causeEventId: string | null;
}

async function accessOf(userId: string): Promise<Map<string, Path[]> | null> {
  const user = await prisma.directoryUser.findUnique({
    where: { id: userId },
    include: { directory: true, memberships: { where: { active: true }, include: { group: true }, orderBy: { groupId: 'asc' } } },
  });
  if (!user) return null;
  const access = new Map<string, Path[]>();
  if (user.state !== 'ACTIVE' || user.directory.state !== 'ACTIVE') return access;
  const groups = user.memberships.map(({ group }) => group);
  const mappings = await prisma.groupMapping.findMany({
    where: {
      organizationId: user.organizationId,
      OR: [{ groupId: { in: groups.map(({ id }) => id) } }, { groupName: { in: groups.map(({ name }) => name) } }],
    },
  });
  const roles = await prisma.role.findMany({
    where: {
      slug: { in: mappings.flatMap((mapping) => mapping.roles) },
      organizationId: { in: ['', user.organizationId] },
      deleted: false,
    },
    orderBy: { slug: 'asc' },
  });
  for (const role of roles) {
    for (const { groupId, group, since, causeEventId } of user.memberships) {
      const mapping = mappings.find((one) => (one.groupId === groupId || one.groupName === group.name) && one.roles.includes(role.slug));
      if (!mapping) continue;
      const from = new Date(Math.max(since.getTime(), mapping.createdAt.getTime()));
      for (const permission of role.permissions) {
        const via = access.get(permission) ?? [];
        via.push({ role: role.slug, source: 'GROUP', since: from.toISOString(), causeEventId });
        access.set(permission, via);
      }
    }
  }
  return access;
}

// Of plugins that it does not use; the types are those of the whole program.
const builder = new SchemaBuilder({ prisma: { client: prisma, dmmf: getDatamodel() }, scopeAuth: { authScopes: () => ({}) } });

const EntitlementPath = builder.objectRef<Path>('EntitlementPath').implement({
  fields: (t) => ({
    role: t.exposeString('role'),
    source: t.exposeString('source'),
    since: t.exposeString('since'),
    causeEventId: t.exposeID('causeEventId', { nullable: true }),
  }),
});

const EffectivePermission = builder.objectRef<{ permission: string; via: Path[] }>('EffectivePermission').implement({
  fields: (t) => ({ permission: t.exposeString('permission'), via: t.expose('via', { type: [EntitlementPath] }) }),
});

const EffectiveEntitlements = builder.objectRef<{ userId: string; access: Map<string, Path[]> }>('EffectiveEntitlements').implement({
  fields: (t) => ({
    userId: t.exposeID('userId'),
    permissions: t.field({
      type: [EffectivePermission],
      resolve: ({ access }) => [...access].sort(([a], [b]) => (a < b ? -1 : 1)).map(([permission, via]) => ({ permission, via })),
    }),
  }),
});

const AccessDecision = builder.objectRef<{ via: Path[] }>('AccessDecision').implement({
  fields: (t) => ({
    allowed: t.boolean({ resolve: ({ via }) => via.length > 0 }),
    reason: t.string({ resolve: ({ via }) => (via.length > 0 ? 'GRANTED' : 'NO_PATH') }),
    via: t.expose('via', { type: [EntitlementPath] }),
  }),
});

builder.queryType({
  fields: (t) => ({
    effectiveEntitlements: t.field({
      type: EffectiveEntitlements,
      nullable: true,
      args: { userId: t.arg.id({ required: true }) },
      resolve: async (_root, { userId }) => {
        const access = await accessOf(userId);
        return access && { userId, access };
      },
    }),
    checkAccess: t.field({
      type: AccessDecision,
      args: { userId: t.arg.id({ required: true }), permission: t.arg.string({ required: true }) },
      resolve: async (_root, { userId, permission }) => ({ via: (await accessOf(userId))?.get(permission) ?? [] }),
    }),
  }),
});

const server = createServer(createYoga({ schema: builder.toSchema(), logging: false, graphiql: false, landingPage: false }));
server.listen(0, '127.0.0.1', () => process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`));
