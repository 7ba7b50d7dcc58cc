// Who is compared in `fan-out`, and how each is handed the same change.
import { appendChanges } from '../../src/changes/append.ts';
import { readHead } from '../../src/changes/head.ts';
import { openDb } from '../../src/db/client.ts';
import { inTransaction } from '../../src/db/transaction.ts';
import { createLogger } from '../../src/log.ts';
import type { AccessChange, RecordedChange } from '../../src/model/change.ts';
import { encodeCursor } from '../../src/model/cursor.ts';
import { createChangeStream } from '../../src/redis/change-stream.ts';
import { openRedis } from '../../src/redis/client.ts';
import { startRedis } from '../support/redis.ts';
import { openDataset } from './dataset.ts';
import { directoryId, organizationId, PERMISSIONS, userId } from './dataset-rows.ts';
import { type StreamServer, startOurs, startPeer } from './stream-servers.ts';
import { now, type Publish } from './subscribers.ts';

export type Name = 'ours' | 'mercurius' | 'yoga' | 'broadcast';

export interface Contenders {
  start: Record<Name, () => Promise<StreamServer & { authorization: string }>>;
  publish: Record<Name, Publish>;
  close(): Promise<void>;
}

const AUTHORIZATION = 'Bearer bench';

/** What is published: of user 0, as often as one likes. */
const CHANGE: AccessChange = {
  organizationId: organizationId(0),
  directoryId: directoryId(0),
  userId: userId(0),
  grantedPermissions: [],
  revokedPermissions: PERMISSIONS.slice(0, 3),
  grantedRoles: [],
  revokedRoles: ['role-07'],
  cause: {
    kind: 'DIRECTORY_EVENT',
    eventId: 'event_01KDVF0000000000000000001',
    eventType: 'dsync.group.user_removed',
    replayId: null,
    driftReportId: null,
    actor: null,
    reason: null,
    occurredAt: new Date('2026-01-03T00:00:00.000Z'),
  },
};

/** As a subscriber sees it. */
function shown({ cause, position, ...change }: RecordedChange, logId: string): object {
  const { kind, eventId, eventType, replayId, actor, reason, occurredAt } = cause;
  const { organizationId, directoryId, userId, grantedPermissions, revokedPermissions, grantedRoles, revokedRoles, recordedAt } = change;
  return {
    __typename: 'EntitlementChange',
    cursor: encodeCursor(logId, position),
    ...{ organizationId, directoryId, userId, grantedPermissions, revokedPermissions, grantedRoles, revokedRoles },
    cause: { kind, eventId, eventType, replayId, actor, reason },
    occurredAt,
    recordedAt,
  };
}

export async function openContenders({ users, say }: { users: number; say(text: string): void }): Promise<Contenders> {
  const log = createLogger('warn');
  const redis = await startRedis();
  const dataset = await openDataset({ users, say });
  const database = openDb({ url: dataset.url, log, poolSize: 2, statementTimeoutMs: 10_000, applicationName: 'bench' });
  const connections = openRedis({ url: redis.url, log });
  const { logId, position } = await readHead(database.db);
  const stream = createChangeStream({ redis: connections, logId });
  const theirs = shown({ ...CHANGE, position, recordedAt: new Date() }, logId);
  const peer = (name: string) => async () => ({
    ...(await startPeer(name, { REDIS_URL: redis.url, AUTHORIZATION })),
    authorization: AUTHORIZATION,
  });
  const publication = (how: 'mqemitter' | 'redis') => ({ how, redisUrl: redis.url, change: theirs });
  return {
    start: {
      ours: () => startOurs('serve', { DATABASE_URL: dataset.url, REDIS_URL: redis.url }),
      mercurius: peer('mercurius-subscriptions.js'),
      yoga: peer('yoga-pubsub.js'),
      broadcast: peer('ws-broadcast.js'),
    },
    publish: {
      async ours() {
        const { base } = await inTransaction(database.db, (tx) => appendChanges(tx, [CHANGE]));
        const handedAtMs = now();
        await stream.append([{ ...CHANGE, position: base + 1n, recordedAt: new Date() }]);
        return handedAtMs;
      },
      mercurius: publication('mqemitter'),
      yoga: publication('redis'),
      broadcast: publication('redis'),
    },
    async close() {
      connections.close();
      await database.close();
      await dataset.close();
      await redis.stop();
    },
  };
}
