// Retrying and skipping single events.
import { beforeEach, expect, test } from 'vitest';
import { createEventOperations } from '../../../src/ops/event-operations.ts';
import { applyDue, emptyTables, store } from '../../support/core-database.ts';
import { operator, operatorOf } from '../../support/replays.ts';
import { found, NEXT, permissionsNow, verdicts } from '../../support/small-company.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';
import { aGroup, aMembership, anEvent, aUser } from '../../support/workos-objects.ts';

const core = useCoreDatabase();
let nudges = 0;
const onRetry = (): void => {
  nudges += 1;
};
const operations = () => createEventOperations({ db: core.db, onRetry });

const joins = anEvent(NEXT, 'dsync.group.user_added', aMembership(aUser('cyd'), aGroup('admins')));
const leaves = anEvent(NEXT + 1, 'dsync.group.user_removed', aMembership(aUser('bob'), aGroup('admins')));

beforeEach(async () => {
  nudges = 0;
  await emptyTables(core.db);
  await found(core.db);
  await store(core.db, [joins, leaves]);
});

const quarantine = (id: string): Promise<number> =>
  core.db.$executeRawUnsafe("UPDATE directory_event SET status = 'QUARANTINED', attempts = 4, error = 'e' WHERE id = $1", id);

test('quarantined events, and ones that wait for their next attempt, are tried again at once', async () => {
  const { db } = core;
  await quarantine(joins.id);
  await db.$executeRawUnsafe(
    "UPDATE directory_event SET attempts = 2, error = 'e', next_attempt_at = now() + interval '1 hour' WHERE id = $1",
    leaves.id,
  );
  const rows = await operations().retry([leaves.id, joins.id, leaves.id], operator);
  expect(rows.map(({ id }) => id)).toEqual([leaves.id, joins.id]);
  for (const row of rows) expect(row).toMatchObject({ status: 'PENDING', attempts: 0, error: null, nextAttemptAt: null, appliedAt: null });
  expect(nudges).toBe(1);
  await applyDue(db);
  expect(await permissionsNow(db)).toMatchObject({ bob: ['docs:read', 'docs:write'], cyd: ['docs:admin', 'docs:read'] });
});

test('others are a conflict that names them, and then none is retried', async () => {
  const { db } = core;
  await quarantine(joins.id);
  const retrying = operations().retry([joins.id, leaves.id], operator);
  await expect(retrying).rejects.toMatchObject({ code: 'CONFLICT', message: expect.stringContaining(`${leaves.id} (PENDING)`) });
  expect(await verdicts(db)).toMatchObject({ [joins.id.slice(-4)]: 'QUARANTINED' });
  expect(nudges).toBe(0);
});

test('unknown and foreign events are not found, alike', async () => {
  await quarantine(joins.id);
  const messages = [];
  for (const [id, caller] of [
    [joins.id, operatorOf('org_2')],
    ['event_01KGB7ZKZ80000000000009999', operator],
    ['a\0b', operator],
  ] as const) {
    for (const attempt of [() => operations().retry([id], caller), () => operations().skip(id, 'why', caller)]) {
      const error = (await attempt().catch((thrown: unknown) => thrown)) as { code: string; message: string };
      expect(error.code).toBe('NOT_FOUND');
      messages.push(error.message.replace(id, 'ID'));
    }
  }
  expect(new Set(messages).size).toBe(1);
});

test('an event under a stand-in id can be skipped, never retried: its id would win over every other version', async () => {
  const { db } = core;
  await store(db, [{ ...joins, raw: joins.raw.replace(joins.id, 'nonsense') }]);
  const unusable = await db.directoryEvent.findFirstOrThrow({ where: { id: { startsWith: 'invalid_' } } });
  await expect(operations().retry([unusable.id], operator)).rejects.toMatchObject({ code: 'CONFLICT' });
  expect(await operations().skip(unusable.id, 'not an event', operator)).toMatchObject({ status: 'SKIPPED' });
});

test('a skipped event stays out of the way, with who did it and why', async () => {
  const { db } = core;
  await quarantine(joins.id);
  expect(await operations().skip(joins.id, '  sent by mistake ', operator)).toMatchObject({
    status: 'SKIPPED',
    error: 'skipped by operator: sent by mistake',
  });
  expect(await operations().skip(leaves.id, 'so was this', operatorOf('org_1'))).toMatchObject({ status: 'SKIPPED' });
  await applyDue(db);
  expect(await permissionsNow(db)).toEqual({ ann: ['docs:read', 'docs:write'], bob: ['docs:admin', 'docs:read', 'docs:write'] });
  await expect(operations().skip(joins.id, 'again', operator)).rejects.toMatchObject({ code: 'CONFLICT' });
  await expect(operations().retry([joins.id], operator)).rejects.toMatchObject({ code: 'CONFLICT' });
});

test('a reason must be given, and be text', async () => {
  for (const reason of ['', '  ', 'a\0', '\ud800', 'x'.repeat(1_001)])
    await expect(operations().skip(joins.id, reason, operator)).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
});

test('an event that is being applied is either applied or skipped, never both', async () => {
  const { db } = core;
  const outcomes = await Promise.allSettled([applyDue(db, 1), operations().skip(leaves.id, 'why', operator)]);
  const row = await db.directoryEvent.findUniqueOrThrow({ where: { id: leaves.id } });
  expect(['APPLIED', 'SKIPPED']).toContain(row.status);
  expect(outcomes[1]?.status).toBe(row.status === 'SKIPPED' ? 'fulfilled' : 'rejected');
  expect((await permissionsNow(db)).bob).toEqual(
    row.status === 'SKIPPED' ? ['docs:admin', 'docs:read', 'docs:write'] : ['docs:read', 'docs:write'],
  );
});
