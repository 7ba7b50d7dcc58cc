// A database of its own for one test, and the way of events through it: stored as ingest does, applied as the worker does.
import { applyBatch, type BatchResult } from '../../src/apply/apply-batch.ts';
import { pendingPartitions } from '../../src/apply/pending.ts';
import { type Db, openDb } from '../../src/db/client.ts';
import { readEnvelope } from '../../src/ingest/envelope.ts';
import { storeEvents } from '../../src/ingest/store-events.ts';
import { createTestDatabase } from './postgres.ts';
import type { SourceEvent } from './workos-objects.ts';

export interface CoreDatabase {
  db: Db;
  url: string;
  close(): Promise<void>;
}

export async function openCoreDatabase({ poolSize = 4, alone = false } = {}): Promise<CoreDatabase> {
  const database = await createTestDatabase({ alone });
  const open = openDb({ url: database.url, poolSize, statementTimeoutMs: 20_000, applicationName: 'core test' });
  return {
    db: open.db,
    url: database.url,
    async close() {
      await open.close();
      await database.drop();
    },
  };
}

export async function store(db: Db, events: readonly SourceEvent[]): Promise<void> {
  await storeEvents(
    db,
    events.map(({ raw }) => readEnvelope(raw)),
    'WEBHOOK',
  );
}

export type Applied = Omit<BatchResult, 'changes'> & { changes: number };

/** Applies whatever is due, in every partition. */
export async function applyDue(db: Db, batchSize?: number): Promise<Applied> {
  const total = { settled: 0, quarantined: 0, changes: 0, more: false };
  for (const partition of await pendingPartitions(db)) {
    for (let more = true; more; ) {
      const result = await applyBatch(db, partition, { requestImports: false, ...(batchSize !== undefined && { batchSize }) });
      total.settled += result.settled;
      total.quarantined += result.quarantined;
      total.changes += result.changes.length;
      more = result.more;
    }
  }
  return total;
}

export async function deliver(db: Db, events: readonly SourceEvent[], batchSize?: number): Promise<Applied> {
  await store(db, events);
  return applyDue(db, batchSize);
}

/** As after a migration, without the cost of a new database. */
export const emptyTables = (db: Db): Promise<unknown> => db.$executeRawUnsafe(EMPTY);

const EMPTY = `
  DO $$ DECLARE tables text; BEGIN
    SELECT string_agg(format('%I', tablename), ', ') INTO tables FROM pg_tables
    WHERE schemaname = current_schema() AND tablename NOT IN ('_prisma_migrations', 'change_log_head', 'sync_cursor', 'catalog_revision');
    EXECUTE 'TRUNCATE ' || tables;
    UPDATE change_log_head SET position = 0, relayed_position = 0;
  END $$`;
