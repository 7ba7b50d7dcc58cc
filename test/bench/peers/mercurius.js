// The same questions as mercurius answers them with its JIT: the same row of the same tables by a prepared statement, the same
// fields. Nobody is asked who they are, and nothing is limited.
import fastify from 'fastify';
import mercurius from 'mercurius';
import pg from 'pg';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });

const STORED = {
  name: 'stored',
  text: `
    SELECT u.id AS "userId", u.state AS "userState", d.state AS "directoryState", e.permissions, e.reasons, h.log_id AS "logId", h.position,
      coalesce(greatest(0, extract(epoch FROM now() - least(
        (SELECT min(occurred_at) FROM directory_event WHERE status = 'PENDING' AND partition = u.organization_id),
        (SELECT min(occurred_at) FROM directory_event WHERE status = 'PENDING' AND partition = 'environment'))))::float8, 0) AS "lagSeconds"
    FROM directory_user u JOIN directory d ON d.id = u.directory_id JOIN change_log_head h ON h.id = 1
    LEFT JOIN effective_entitlement e ON e.user_id = u.id AND e.to_position = 9223372036854775807
    WHERE u.id = $1`,
};

async function stored(userId) {
  const { rows } = await pool.query({ ...STORED, values: [userId] });
  return rows[0];
}

const pathsTo = ({ reasons }, permission) => (reasons?.permissions[permission] ?? []).map((index) => reasons.paths[index]);

const freshnessOf = ({ logId, position, lagSeconds }) => ({
  revision: Buffer.from(`log:${logId}:${position}`).toString('base64url'),
  lagSeconds,
});

const app = fastify();
await app.register(mercurius, {
  schema: `
    type Query {
      effectiveEntitlements(userId: ID!): EffectiveEntitlements
      checkAccess(userId: ID!, permission: String!): AccessDecision!
    }
    type EffectiveEntitlements { userId: ID! permissions: [EffectivePermission!]! freshness: Freshness! }
    type EffectivePermission { permission: String! via: [EntitlementPath!]! }
    type EntitlementPath { role: String! source: String! since: String! causeEventId: ID }
    type AccessDecision { allowed: Boolean! reason: String! via: [EntitlementPath!]! freshness: Freshness! }
    type Freshness { revision: String! lagSeconds: Float! }`,
  resolvers: {
    Query: {
      async effectiveEntitlements(_root, { userId }) {
        const row = await stored(userId);
        if (!row) return null;
        const permissions = (row.permissions ?? []).map((permission) => ({ permission, via: pathsTo(row, permission) }));
        return { userId, permissions, freshness: freshnessOf(row) };
      },
      async checkAccess(_root, { userId, permission }) {
        const row = await stored(userId);
        const inForce = row.userState === 'ACTIVE' && row.directoryState === 'ACTIVE';
        const via = inForce ? pathsTo(row, permission) : [];
        return { allowed: via.length > 0, reason: via.length > 0 ? 'GRANTED' : 'NO_PATH', via, freshness: freshnessOf(row) };
      },
    },
  },
  jit: 1,
});
process.stdout.write(`${await app.listen({ port: 0, host: '127.0.0.1' })}\n`);
