// I7 under full load: access is revoked on another node, and no answer that began later than the bound after the commit may
// still grant it.

import { openDb } from '../../src/db/client.ts';
import { applyCatalog } from '../../src/entitlements/catalog.ts';
import { startFakeWorkos } from '../../src/fake-workos/server.ts';
import { createLogger } from '../../src/log.ts';
import { postGraphql, startService } from '../support/service-process.ts';
import { waitFor } from '../support/wait-for.ts';
import { organizationOf, userId } from './dataset-rows.ts';
import { ageOfLastGrant, BOUND_MS, type Probe } from './freshness-verdict.ts';

const REVOKED_USERS = 20;
const PROBES = 8;
const PERMISSION = 'vault:open';
const ROLE = 'vault-keeper';
const BETWEEN_MS = 50;
const LOAD_SECONDS = 2;

const CHECK = `query Probe($userId: ID!, $permission: String!) { checkAccess(userId: $userId, permission: $permission) { allowed } }`;
const LIST = 'query Probe($userId: ID!) { effectiveEntitlements(userId: $userId) { permissions { permission } } }';

export interface ProofOptions {
  /** The node that answers under load. */
  url: string;
  /** By number of organization. */
  authorizations: readonly string[];
  databaseUrl: string;
  redisUrl: string;
  /** Asks that node as fast as it can, for so long; again and again. */
  load(seconds: number): Promise<unknown>;
}

/** For every revoked user: how long after the commit the last answer began that still granted; 0 when none did. Throws beyond the bound. */
export async function proveFreshness({ url, authorizations, databaseUrl, redisUrl, load }: ProofOptions): Promise<number[]> {
  const log = createLogger('error');
  const database = openDb({ url: databaseUrl, poolSize: 2, statementTimeoutMs: 30_000, applicationName: 'benchmark' });
  const workos = await startFakeWorkos({ log, source: { kind: 'scripted' }, unknownAfter: 'ignore' });
  const env = {
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    WORKOS_API_KEY: workos.apiKey,
    WORKOS_API_URL: workos.url,
    LOG_LEVEL: 'error',
  };
  const worker = await startService('work', {
    ...env,
    INITIAL_IMPORT: 'off',
    RECONCILE_INTERVAL_HOURS: '0',
    CHANGE_RETENTION_DAYS: '36500',
  });
  const other = await startService('serve', env);
  const ask = async (n: number, kind: 'check' | 'list'): Promise<boolean> => {
    const key = authorizations[organizationOf(n)]?.replace('Bearer ', '') ?? null;
    const variables = { userId: userId(n), ...(kind === 'check' && { permission: PERMISSION }) };
    const { data, errors } = await postGraphql<{
      checkAccess?: { allowed: boolean };
      effectiveEntitlements?: { permissions: { permission: string }[] };
    }>(url, key, kind === 'check' ? CHECK : LIST, variables);
    if (!data) throw new Error(`a probe failed: ${JSON.stringify(errors)}`);
    return (
      data.checkAccess?.allowed ?? data.effectiveEntitlements?.permissions.some(({ permission }) => permission === PERMISSION) ?? false
    );
  };
  try {
    const catalog = { roles: [{ slug: ROLE, permissions: [PERMISSION] }], groupMappings: [] };
    await applyCatalog(database.db, { catalog, dryRun: false, prune: false, actor: 'benchmark', tenant: null });
    const grants = new Map<number, string>();
    for (let n = 0; n < REVOKED_USERS; n += 1) {
      const mutation = `mutation { grantRole(userId: "${userId(n)}", role: "${ROLE}", reason: "benchmark") { id } }`;
      grants.set(n, (await other.query<{ grantRole: { id: string } }>(mutation)).grantRole.id);
    }
    await waitFor('the grants to be seen', async () => (await Promise.all([...grants.keys()].map((n) => ask(n, 'check')))).every(Boolean));

    const probes = new Map([...grants.keys()].map((n) => [n, [] as Probe[]]));
    const committedAtMs = new Map<number, number>();
    let ended = false;
    const probing = Array.from({ length: PROBES }, async (_, offset) => {
      for (let turn = offset; !ended; turn += 1) {
        const n = turn % REVOKED_USERS;
        const startedAtMs = performance.now();
        const isGranted = await ask(n, Math.floor(turn / REVOKED_USERS) % 2 === 0 ? 'check' : 'list');
        probes.get(n)?.push({ startedAtMs, isGranted });
      }
    });
    const loading = (async () => {
      while (!ended) await load(LOAD_SECONDS);
    })();
    const everyUser = (holds: (n: number, all: readonly Probe[]) => boolean) => async () => [...probes].every(([n, all]) => holds(n, all));
    const revoking = (async () => {
      await waitFor(
        'everybody to be asked for before',
        everyUser((_, all) => all.length > 1),
      );
      for (const [n, id] of grants) {
        await other.query('mutation Revoke($id: ID!) { revokeGrant(id: $id) { id } }', { id });
        committedAtMs.set(n, performance.now());
        await pause(BETWEEN_MS);
      }
      await waitFor(
        'everybody to be asked for after the bound',
        everyUser((n, all) => all.some(({ startedAtMs }) => startedAtMs > (committedAtMs.get(n) ?? 0) + BOUND_MS)),
      );
    })().finally(() => {
      ended = true;
    });
    await Promise.all([revoking, loading, ...probing]);
    return [...probes].map(([n, all]) => ageOfLastGrant(`user ${n}`, all, committedAtMs.get(n) as number));
  } finally {
    await other.end();
    await worker.end();
    await workos.close();
    await database.close();
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
