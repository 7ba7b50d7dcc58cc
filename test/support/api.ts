// The real HTTP server on a database of its own, with callers of different rights, and a client for each transport.
import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { print } from 'graphql';
import { type Client, createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import type { Services } from '../../schema/services.ts';
import { type Caller, SCOPES } from '../../src/auth/caller.ts';
import { readHead } from '../../src/changes/head.ts';
import type { Db } from '../../src/db/client.ts';
import { openPrepared } from '../../src/db/prepared.ts';
import { applyCatalog } from '../../src/entitlements/catalog.ts';
import { grantRole, revokeGrant } from '../../src/entitlements/grants.ts';
import { createEffectiveLookup } from '../../src/entitlements/lookup.ts';
import { AccessError } from '../../src/errors.ts';
import { pullIterator } from '../../src/lib/pull-iterator.ts';
import { sleep } from '../../src/lib/sleep.ts';
import { createLogger, type Logger } from '../../src/log.ts';
import { createAudit } from '../../src/ops/audit.ts';
import type { SyncHealth } from '../../src/ops/health.ts';
import { createReconciliations } from '../../src/ops/reconcile.ts';
import type { ReplayRow } from '../../src/ops/replay.ts';
import type { ServerDeps } from '../../src/server/deps.ts';
import { createHttpServer } from '../../src/server/http.ts';
import { createCallers } from './callers.ts';
import { type FeedNode, startFeedNode } from './feed-node.ts';
import { createTestDatabase } from './postgres.ts';

/** Key → caller, beside those with a key in the database. */
export const CALLERS: Record<string, Caller> = {
  admin: { name: 'admin', scopes: SCOPES, organizationId: null },
  acme: { name: 'acme', scopes: SCOPES, organizationId: 'org_acme' },
  entitlements: { name: 'entitlements', scopes: ['ENTITLEMENTS_READ'], organizationId: null },
  nothing: { name: 'nothing', scopes: [], organizationId: null },
};

export interface Result<T = Record<string, unknown>> {
  status: number;
  data?: T | null;
  errors?: { message: string; path?: (string | number)[]; extensions: { code: string } & Record<string, unknown> }[];
}

export interface Api {
  url: string;
  db: Db;
  node: FeedNode;
  /** Lines that the server logged at level error. */
  logged: string[];
  query<T, V>(document: TypedDocumentNode<T, V> | string, variables?: V, key?: string): Promise<Result<T>>;
  /** Codes of the errors, in order. */
  codes(document: TypedDocumentNode<unknown, never> | string, variables?: unknown, key?: string): Promise<string[]>;
  socket(key?: string): Client;
  /** The results of a subscription over SSE; ends with the response or the signal. */
  sse(query: string, variables: unknown, o?: { key?: string; method?: 'GET' | 'POST'; signal?: AbortSignal }): AsyncGenerator<Result>;
  /** Of the server alone; what is behind it goes on. */
  closeServer(): Promise<void>;
  close(): Promise<void>;
}

type Over = Omit<Partial<ServerDeps>, 'services'> & { services?: Partial<Services> };

export async function startApi(given: Over | ((node: FeedNode) => Over) = {}): Promise<Api> {
  const database = await createTestDatabase();
  const node = await startFeedNode({ url: database.url, checkpointIntervalMs: 500 });
  const prepared = openPrepared({ url: database.url, size: 2, statementTimeoutMs: 5_000, applicationName: 'test lookups' });
  const over = typeof given === 'function' ? given(node) : given;
  const { authenticate, revalidation, keys } = createCallers(node.db);
  const logged: string[] = [];
  const log: Logger = createLogger('error', { write: (line) => void logged.push(line) });
  const server = createHttpServer({
    db: node.db,
    lookup: createEffectiveLookup(prepared, { maxBytes: 16 * 1024 * 1024 }),
    authenticate: async (authorization) => CALLERS[/^Bearer (\S+)$/.exec(authorization ?? '')?.[1] ?? ''] ?? authenticate(authorization),
    revalidation,
    log,
    webhooks: { accept: async () => ({ status: 200, body: { stored: true } }), refused: () => {} },
    readiness: async () => [{ name: 'postgres', ok: true }],
    // At once, so that whatever a test asks a second time is asked of both paths.
    compileAfter: 1,
    ...over,
    services: { ...(await servicesOn(node)), keys, ...over.services },
  });
  const { port } = await server.listen(0, '127.0.0.1');
  const url = `http://127.0.0.1:${port}`;
  const sockets: Client[] = [];

  async function query<T, V>(document: TypedDocumentNode<T, V> | string, variables?: V, key = 'admin'): Promise<Result<T>> {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: JSON.stringify({ query: typeof document === 'string' ? document : print(document), variables }),
    });
    return { status: response.status, ...((await response.json()) as object) };
  }

  return {
    url,
    db: node.db,
    node,
    logged,
    query,
    async codes(document, variables, key) {
      const { errors = [] } = await query(document as string, variables, key);
      return errors.map((error) => error.extensions.code);
    },
    socket(key = 'admin') {
      const client = createClient({
        url: `${url.replace('http', 'ws')}/graphql`,
        webSocketImpl: WebSocket,
        connectionParams: { authorization: `Bearer ${key}` },
        retryAttempts: 0,
        lazy: true,
      });
      sockets.push(client);
      return client;
    },
    async *sse(text, variables, { key = 'admin', method = 'POST', signal } = {}) {
      const headers = { accept: 'text/event-stream', authorization: `Bearer ${key}` };
      const params = new URLSearchParams({ query: text, variables: JSON.stringify(variables) });
      const response =
        method === 'GET'
          ? await fetch(`${url}/graphql?${params}`, { headers, signal: signal ?? null })
          : await fetch(`${url}/graphql`, {
              method,
              headers: { ...headers, 'content-type': 'application/json' },
              body: JSON.stringify({ query: text, variables }),
              signal: signal ?? null,
            });
      for await (const { event, data } of eventsOf(response)) {
        if (event === 'complete') return;
        yield { status: response.status, ...(JSON.parse(data) as object) };
      }
    },
    closeServer: server.close,
    async close() {
      await Promise.all(sockets.map((client) => client.dispose()));
      await server.close();
      await prepared.close();
      await node.stop();
      await database.drop();
    },
  };
}

async function* eventsOf(response: Response): AsyncGenerator<{ event: string; data: string }> {
  let rest = '';
  for await (const chunk of (response.body as ReadableStream<BufferSource>).pipeThrough(new TextDecoderStream())) {
    const blocks = `${rest}${chunk}`.split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const field = (name: string) => new RegExp(`^${name}: ?(.*)$`, 'm').exec(block)?.[1] ?? '';
      if (field('event')) yield { event: field('event'), data: field('data') };
    }
  }
}

/** What is not of interest here is imitated over the rows. */
async function servicesOn({ db, feed }: FeedNode): Promise<Omit<Services, 'keys'>> {
  const { logId } = await readHead(db);
  const rowOf = async (id: string, tenant: string | null): Promise<ReplayRow> => {
    const row = await db.replay.findFirst({ where: { id, ...(tenant !== null && { organizationId: tenant }) } });
    if (!row) throw new AccessError('NOT_FOUND', 'There is no such replay.');
    return row;
  };
  return {
    logId,
    feed,
    catalog: { apply: (options) => applyCatalog(db, options) },
    grants: { grant: (options) => grantRole(db, options), revoke: (options) => revokeGrant(db, options) },
    reconciliations: createReconciliations({ db }),
    replays: {
      start: ({ source, dryRun, reason, idempotencyKey, maxRevocations: _, confirmToken: __, ...selection }, { name, organizationId }) =>
        db.replay.create({
          data: {
            source,
            dryRun,
            reason,
            idempotencyKey,
            selection: JSON.parse(JSON.stringify(selection)),
            requestedBy: name,
            organizationId,
          },
        }),
      cancel: async (id, tenant) => {
        await rowOf(id, tenant);
        return db.replay.update({ where: { id }, data: { status: 'CANCELLED' } });
      },
      progress(id, tenant, signal) {
        let left = 3;
        return pullIterator(async () => (left-- > 0 ? rowOf(id, tenant) : undefined), { signal });
      },
    },
    audit: createAudit({ db, log: createLogger('silent') }),
    events: {
      retry: (ids) => db.directoryEvent.findMany({ where: { id: { in: [...ids] } } }),
      skip: (id, error) => db.directoryEvent.update({ where: { id }, data: { status: 'SKIPPED', error } }),
    },
    health: {
      read: async () => HEALTHY,
      watch(_scope, _tenant, signal) {
        let wait = 0;
        const produce = async (ending: AbortSignal) => {
          await sleep(wait, ending);
          wait = 100;
          return HEALTHY;
        };
        return pullIterator(produce, { signal });
      },
    },
  };
}

const NONE = { p50Seconds: null, p95Seconds: null, p99Seconds: null, maxSeconds: null, samples: 0 };

export const HEALTHY: SyncHealth = {
  status: 'HEALTHY',
  problems: [],
  checkedAt: new Date('2026-01-01T00:00:00.000Z'),
  windowSeconds: 3600,
  cursor: { eventId: null, eventCreatedAt: null, updatedAt: null, fallsOffRetentionAt: null },
  currentLagSeconds: 0,
  eventLag: NONE,
  revocationLatency: NONE,
  events: { received: 0, duplicate: 0, pending: 0, applied: 0, stale: 0, ignored: 0, quarantined: 0, failedAttempts: 0 },
  replays: { running: 0, succeeded: 0, failed: 0, successRate: null },
  drift: { accountsChecked: 0, accountsDrifted: 0, byKind: [], lastReportId: null, lastCheckedAt: null },
  feed: { head: 0n, unrelayed: 0, relayLagSeconds: 0, subscribers: 0, slowestSubscriberLagSeconds: null, stalledReaders: 0 },
  webhooks: { accepted: 0, refused: 0 },
  leases: [],
  dependencies: [],
};
