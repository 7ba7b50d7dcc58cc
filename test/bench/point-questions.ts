// What the point queries ask, of whom, and what the database says is right.
import { isDeepStrictEqual } from 'node:util';
import type pg from 'pg';
import { encodeCursor, OPEN_END } from '../../src/model/cursor.ts';
import type { Reasons } from '../../src/model/entitlement.ts';
import { postGraphql } from '../support/service-process.ts';
import { ORGANIZATIONS, organizationId, userId } from './dataset-rows.ts';
import { askOf } from './point-asks.ts';
import { ADMIN_KEY, type StreamServer } from './stream-servers.ts';

const FRESHNESS = 'freshness { revision lagSeconds }';
const ENTITLEMENTS = 'effectiveEntitlements(userId: $userId) { userId permissions { permission via { role source since causeEventId } }';
const CHECK = 'checkAccess(userId: $userId, permission: $permission) { allowed reason via { role source since causeEventId }';

export const QUERIES = {
  entitlements: `query Entitlements($userId: ID!) { ${ENTITLEMENTS} ${FRESHNESS} } }`,
  check: `query Check($userId: ID!, $permission: String!) { ${CHECK} ${FRESHNESS} } }`,
  /** For who cannot say how fresh an answer is. */
  bareEntitlements: `query Entitlements($userId: ID!) { ${ENTITLEMENTS} } }`,
  bareCheck: `query Check($userId: ID!, $permission: String!) { ${CHECK} } }`,
  row: `query Row($userId: String!) {
    effectiveEntitlementByUserIdAndToPosition(userId: $userId, toPosition: "${OPEN_END}") { userId roles permissions reasons } }`,
};

/** A key for every organization, bound to it; what `caller` of point-asks.ts counts. */
export async function makeCallers(url: string): Promise<string[]> {
  const mutation = `mutation Key($organizationId: ID!) {
    createApiKey(name: "benchmark", scopes: [ENTITLEMENTS_READ], organizationId: $organizationId) { secret } }`;
  const keys: string[] = [];
  for (let n = 0; n < ORGANIZATIONS; n += 1) {
    const { data, errors } = await postGraphql<{ createApiKey: { secret: string } }>(url, ADMIN_KEY, mutation, {
      organizationId: organizationId(n),
    });
    if (!data) throw new Error(JSON.stringify(errors));
    keys.push(`Bearer ${data.createApiKey.secret}`);
  }
  return keys;
}

interface Stored {
  userId: string;
  permissions: string[];
  reasons: Reasons;
  logId: string;
  position: bigint;
}

const STORED = `
  SELECT user_id AS "userId", permissions, reasons, log_id AS "logId", position FROM effective_entitlement, change_log_head
  WHERE user_id = ANY($1::text[]) AND to_position = ${OPEN_END} ORDER BY user_id`;

const SAMPLE = 60;

/** Throws unless the answers to a sample are right in every field that was asked for. */
export async function verifyAnswers(
  client: pg.Client,
  {
    name,
    server,
    query,
    authorizations,
    users,
  }: { name: string; server: StreamServer; query: keyof typeof QUERIES; authorizations: readonly string[]; users: number },
): Promise<void> {
  const numbers = Array.from({ length: SAMPLE }, (_, index) => Math.floor((index * users) / SAMPLE));
  const { rows } = await client.query<Stored>(STORED, [numbers.map(userId)]);
  const isCheck = query === 'check' || query === 'bareCheck';
  for (const [index, n] of numbers.entries()) {
    const { variables, caller } = askOf(n, isCheck ? 'check' : 'entitlements');
    const key = authorizations[caller]?.replace('Bearer ', '') ?? null;
    const { data } = await postGraphql<Record<string, unknown>>(server.url, key, QUERIES[query], variables);
    const expected = expectedOf(rows[index] as Stored, query, variables);
    if (!isDeepStrictEqual(data, expected))
      throw new Error(`${name} answers ${JSON.stringify(data)}, and the database says ${JSON.stringify(expected)}`);
  }
}

function expectedOf(stored: Stored, query: keyof typeof QUERIES, { permission = '' }: { permission?: string }): object {
  const { userId: id, permissions, reasons, logId, position } = stored;
  const via = (one: string) =>
    (reasons.permissions[one] ?? []).flatMap((index) => {
      const path = reasons.paths[index];
      return path ? [{ role: path.role, source: path.source, since: path.since, causeEventId: path.causeEventId }] : [];
    });
  const isFresh = query === 'entitlements' || query === 'check';
  const freshness = isFresh && { freshness: { revision: encodeCursor(logId, BigInt(position)), lagSeconds: 0 } };
  switch (query) {
    case 'entitlements':
    case 'bareEntitlements':
      return {
        effectiveEntitlements: { userId: id, permissions: permissions.map((one) => ({ permission: one, via: via(one) })), ...freshness },
      };
    case 'check':
    case 'bareCheck': {
      const paths = via(permission);
      return { checkAccess: { allowed: paths.length > 0, reason: paths.length > 0 ? 'GRANTED' : 'NO_PATH', via: paths, ...freshness } };
    }
    case 'row':
      return {
        effectiveEntitlementByUserIdAndToPosition: {
          userId: id,
          roles: [...new Set(reasons.paths.map(({ role }) => role))],
          permissions,
          reasons,
        },
      };
    default:
      return query satisfies never;
  }
}
