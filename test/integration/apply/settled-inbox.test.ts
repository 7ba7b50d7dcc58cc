// The inbox keeps what was settled, and its indexes of what is pending keep the entries until a vacuum, which may be a fifth of the inbox
// away. A batch must not look at them again and again, or each event of a long catch-up would cost more than the one before.
import { expect, test } from 'vitest';
import { applyBatch } from '../../../src/apply/apply-batch.ts';
import { store } from '../../support/core-database.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';
import { anEvent } from '../../support/workos-objects.ts';

const core = useCoreDatabase({ poolSize: 1, alone: true });

const BATCHES = 30;
const BATCH = 50;

// In a large inbox of which no statistics were made, this is what tempts the planner to gather pending rows by a bitmap.
const AS_IF_LARGE = `
  UPDATE pg_class SET reltuples = 1000000, relpages = greatest(1, pg_relation_size(oid) / 8192) WHERE relname = 'directory_event'`;

const READ = `
  SELECT sum(idx_tup_read)::int AS entries FROM pg_stat_user_indexes WHERE relname = 'directory_event'`;

async function entriesRead(): Promise<number> {
  await core.db.$executeRawUnsafe('SELECT pg_stat_force_next_flush()');
  return (await core.db.$queryRawUnsafe<{ entries: number }[]>(READ))[0]?.entries ?? Number.NaN;
}

test('a batch reads what is new, and what was settled before only once more', async () => {
  await core.db.$executeRawUnsafe('ALTER TABLE directory_event SET (autovacuum_enabled = false)');
  const before = await entriesRead();
  for (let batch = 0; batch < BATCHES; batch += 1) {
    // Of a type that says nothing about access: the inbox alone is read.
    const events = Array.from({ length: BATCH }, (_, n) => anEvent(batch * BATCH + n, 'dsync.unheard.of', { organization_id: 'org_1' }));
    await store(core.db, events);
    await core.db.$executeRawUnsafe(AS_IF_LARGE);
    expect(await applyBatch(core.db, 'org_1', { requestImports: false })).toMatchObject({ settled: BATCH });
  }
  const perEvent = ((await entriesRead()) - before) / (BATCHES * BATCH);
  // Read as pending, to be settled by its key, and as no longer pending.
  expect(perEvent).toBeLessThan(4);
});
