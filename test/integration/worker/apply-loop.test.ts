// Organizations side by side, each in order: whoever is held up holds up nobody else, and no batch overtakes another of its own.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { armFailpoints } from '../../../src/lib/failpoint.ts';
import { NO_COUNTS, NO_TRACING } from '../../../src/model/telemetry.ts';
import { createApplyStep } from '../../../src/worker/apply-loop.ts';
import { createDuePartitions } from '../../../src/worker/due-partitions.ts';
import { store } from '../../support/core-database.ts';
import { silent } from '../../support/feed-node.ts';
import { holdPartition } from '../../support/hold-partition.ts';
import { expectInvariants } from '../../support/invariants.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';
import { waitFor } from '../../support/wait-for.ts';
import { aDirectory, anEvent, aUser } from '../../support/workos-objects.ts';

const core = useCoreDatabase({ poolSize: 6, each: 'empty' });

const own = (n: number) => ({ directory_id: `directory_${n}`, organization_id: `org_${n}` });
const founding = [1, 2, 3].map((n) => anEvent(n, 'dsync.activated', aDirectory(`directory_${n}`, own(n))));
const hires = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => {
    const n = from + index;
    return anEvent(n, 'dsync.user.created', aUser(`user_${n}`, own(1 + (n % 3))));
  });

/** What each transaction was for, in the order of their beginnings. */
const spans: unknown[] = [];
const tracing: typeof NO_TRACING = {
  ...NO_TRACING,
  span: (name, attributes, work) => {
    spans.push(attributes);
    return NO_TRACING.span(name, attributes, work);
  },
};
beforeEach(() => {
  spans.length = 0;
});
afterEach(() => armFailpoints(null));

const step = (concurrency: number, due = createDuePartitions()) =>
  createApplyStep({
    db: core.db,
    log: silent,
    concurrency,
    requestImports: false,
    due,
    onChanges: () => {},
    counts: NO_COUNTS,
    tracing,
  });
const never = new AbortController().signal;

/** The loop, when it knows the three organizations. */
async function founded() {
  await store(core.db, founding);
  const due = createDuePartitions();
  const apply = step(2, due);
  await apply(never);
  return { due, apply };
}
const pending = (partition: string) => core.db.directoryEvent.count({ where: { partition, status: 'PENDING' } });

test('an organization that is held up does not hold up the others', async () => {
  await store(core.db, founding);
  await step(2)(never);
  await store(core.db, hires(10, 39));
  const held = await holdPartition(core.url, 'org_1');
  const round = step(2)(never);
  await waitFor('the others to be done', async () => (await pending('org_2')) + (await pending('org_3')) === 0);
  expect(await pending('org_1')).toBe(10);
  await held.release();
  expect(await round).toBe('idle');
  expect(await pending('org_1')).toBe(0);
  await expectInvariants(core.db);
});

test('a failure in one organization waits for the others and is told', async () => {
  await store(core.db, founding);
  await step(3)(never);
  await store(core.db, hires(10, 39));
  await core.db.$executeRawUnsafe(
    `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'disk_full'; END $$`,
  );
  await core.db.$executeRawUnsafe(
    `CREATE TRIGGER refuse BEFORE INSERT ON directory_user FOR EACH ROW WHEN (NEW.organization_id = 'org_2') EXECUTE FUNCTION refuse()`,
  );
  await expect(step(3)(never)).rejects.toThrow();
  expect([await pending('org_1'), await pending('org_2'), await pending('org_3')]).toEqual([0, 10, 0]);
  await core.db.$executeRawUnsafe('DROP TRIGGER refuse ON directory_user');
  await core.db.$executeRawUnsafe('DROP FUNCTION refuse');
  await step(3)(never);
  expect(await pending('org_2')).toBe(0);
  await expectInvariants(core.db);
});

test('a stop ends between two batches', async () => {
  await store(core.db, founding);
  const stopped = new AbortController();
  stopped.abort();
  await step(2)(stopped.signal);
  expect(await core.db.directoryEvent.count({ where: { status: 'PENDING' } })).toBe(3);
});

test('an organization that is named is taken at once, also while another is held up; one that nobody names is found by a look', async () => {
  const { due, apply } = await founded();
  await store(core.db, hires(10, 39));
  const held = await holdPartition(core.url, 'org_1');
  due.nudge('org_1');
  const round = apply(never);
  due.nudge('org_2');
  await waitFor('the one that was named', async () => (await pending('org_2')) === 0);
  // Nobody says where: whoever is under way comes to an end first.
  due.nudge();
  await held.release();
  await round;
  expect([await pending('org_1'), await pending('org_3')]).toEqual([0, 10]);
  await apply(never);
  expect(await pending('org_3')).toBe(0);
  await expectInvariants(core.db);
});

test('organizations that become due while a transaction is under way go together in the next one', async () => {
  const { due, apply } = await founded();
  await store(core.db, hires(10, 15));
  spans.length = 0;
  armFailpoints('before-commit=sleep:200@1');
  due.nudge('org_1');
  const round = apply(never);
  due.nudge('org_2');
  due.nudge('org_3');
  await round;
  expect(spans).toEqual([{ partitions: 1 }, { partitions: 2 }]);
  expect(await core.db.directoryEvent.count({ where: { status: 'PENDING' } })).toBe(0);
  await expectInvariants(core.db);
});

test('an organization with a backlog is taken by itself, beside those with few events', async () => {
  await store(core.db, founding);
  await step(2)(never);
  const backlog = Array.from({ length: 30 }, (_, n) => anEvent(50 + n, 'dsync.user.created', aUser(`user_${50 + n}`, own(2))));
  await store(core.db, [...hires(10, 15), ...backlog]);
  spans.length = 0;
  await step(2)(never);
  expect(spans).toEqual([{ partitions: 2 }, { partition: 'org_2' }]);
  expect(await core.db.directoryEvent.count({ where: { status: 'PENDING' } })).toBe(0);
});

test('an event that the database refuses among those of several organizations is quarantined alone', async () => {
  await store(core.db, founding);
  await step(2)(never);
  const unreadable = {
    ...own(2),
    email: Array.from({ length: 3_000 }, (_, n) => String.fromCodePoint(0x4e00 + ((n * 7919) % 20_000))).join(''),
  };
  await store(core.db, [...hires(10, 15), anEvent(20, 'dsync.user.created', aUser('user_20', unreadable))]);
  spans.length = 0;
  const apply = step(2);
  while ((await apply(never)) === 'again');
  expect(spans.slice(0, 4)).toEqual([{ partitions: 3 }, ...[1, 2, 3].map((n) => ({ partition: `org_${n}` }))]);
  expect(await core.db.directoryEvent.findMany({ where: { status: { not: 'APPLIED' } } })).toMatchObject([
    { type: 'dsync.user.created', partition: 'org_2', status: 'QUARANTINED', error: expect.stringMatching(/index row/) },
  ]);
  expect(await core.db.directoryUser.count()).toBe(6);
  await expectInvariants(core.db);
});
