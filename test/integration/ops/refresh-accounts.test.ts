// Accounts that are read again: those that a quarantined event touched are put right by what WorkOS says of them, and those
// that become active again get back what is confirmed, and only that.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FakeWorkos, type HistoryEvent, startFakeWorkos } from '../../../src/fake-workos/server.ts';
import { createLogger } from '../../../src/log.ts';
import { type RefreshDeps, refreshNext } from '../../../src/ops/refresh-accounts.ts';
import { createWorkosClient } from '../../../src/workos/client.ts';
import { deliver } from '../../support/core-database.ts';
import { replay } from '../../support/replays.ts';
import { COMPANY, NEXT, permissionsNow } from '../../support/small-company.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';
import { aGroup, aMembership, anEvent, aUser, type SourceEvent } from '../../support/workos-objects.ts';

const log = createLogger('silent');
const ALL = ['docs:admin', 'docs:read', 'docs:write'];
const core = useCoreDatabase({ each: 'small company' });
let fake: FakeWorkos;
beforeEach(async () => {
  fake = await startFakeWorkos({ log, source: { kind: 'scripted' } });
  happens(COMPANY);
});
afterEach(() => fake?.close());

/** At WorkOS; whether it arrives here is another question. */
const happens = (events: readonly SourceEvent[]): void => {
  for (const { raw } of events) fake.publish(JSON.parse(raw) as HistoryEvent);
};

async function refreshAll(over: Partial<RefreshDeps> = {}): Promise<number> {
  const workos = createWorkosClient({ apiKey: fake.apiKey, apiUrl: fake.url, log, maxRetries: 0 });
  let taken = 0;
  while (await refreshNext({ db: core.db, workos, log, clock: () => new Date(), ...over }, new AbortController().signal)) taken += 1;
  return taken;
}

test('what a quarantined event had to say is read from WorkOS, and the account is no longer under suspicion', async () => {
  const { db } = core;
  const leaves = anEvent(NEXT, 'dsync.group.user_removed', aMembership(aUser('bob'), aGroup('admins')));
  happens([leaves]);
  const mangled = { ...leaves, raw: leaves.raw.replace('"state":"active"', '"state":7') };
  expect(await deliver(db, [mangled])).toMatchObject({ quarantined: 1 });
  expect(await permissionsNow(db)).toMatchObject({ bob: ALL });
  expect(await db.directoryUser.findUniqueOrThrow({ where: { id: 'bob' } })).toMatchObject({ driftSuspected: true });
  expect(await refreshAll()).toBe(1);
  expect(await permissionsNow(db)).toMatchObject({ bob: ['docs:read', 'docs:write'] });
  expect(await db.directoryUser.findUniqueOrThrow({ where: { id: 'bob' } })).toMatchObject({ driftSuspected: false });
  expect(await db.directoryEvent.findUniqueOrThrow({ where: { id: leaves.id } })).toMatchObject({ status: 'QUARANTINED' });
});

test('while WorkOS does not answer, the account stays under suspicion and is tried again, ever slower', async () => {
  const { db } = core;
  const poison = anEvent(NEXT, 'dsync.user.updated', { ...aUser('bob'), state: 7 });
  await deliver(db, [poison]);
  fake.fault({ kind: 'status', status: 503, times: null });
  expect(await refreshAll()).toBe(1);
  const task = await db.refreshTask.findUniqueOrThrow({ where: { userId: 'bob' } });
  expect(task).toMatchObject({ attempts: 1, error: expect.stringContaining('503') });
  expect(task.nextAttemptAt.getTime()).toBeGreaterThan(task.requestedAt.getTime());
  fake.clearFaults();
  await db.refreshTask.updateMany({ data: { nextAttemptAt: new Date(0) } });
  expect(await refreshAll()).toBe(1);
  expect(await db.refreshTask.count()).toBe(0);
});

/** Bob goes and comes back; meanwhile he has left the administrators, which never arrived here. */
async function comesBack(): Promise<void> {
  const goes = anEvent(NEXT, 'dsync.user.updated', aUser('bob', { state: 'suspended', updated_at: '2026-03-01T00:00:00.000Z' }));
  const leaves = anEvent(NEXT + 1, 'dsync.group.user_removed', aMembership(aUser('bob'), aGroup('admins')));
  const back = anEvent(NEXT + 2, 'dsync.user.updated', aUser('bob', { updated_at: '2026-03-02T00:00:00.000Z' }));
  happens([goes, leaves, back]);
  await deliver(core.db, [goes, back]);
  expect((await permissionsNow(core.db)).bob).toBeUndefined();
  expect(await core.db.refreshTask.findMany()).toMatchObject([{ userId: 'bob', reason: 'REACTIVATED' }]);
}

test('whoever becomes active again regains what reading his groups confirms', async () => {
  await comesBack();
  await refreshAll();
  expect(await permissionsNow(core.db)).toMatchObject({ bob: ['docs:read', 'docs:write'] });
  expect(await replay(core.db)).toMatchObject({ status: 'SUCCEEDED', repaired: 0 });
});

test('with REACTIVATION=events, only what a newer event brings; WorkOS is not asked', async () => {
  const { db } = core;
  await comesBack();
  const asked = JSON.stringify(fake.requests());
  await refreshAll({ reactivation: 'events' });
  expect(JSON.stringify(fake.requests())).toBe(asked);
  expect(await db.refreshTask.count()).toBe(0);
  expect((await permissionsNow(db)).bob).toBeUndefined();
  await deliver(db, [anEvent(NEXT + 3, 'dsync.group.user_added', aMembership(aUser('bob'), aGroup('engineers')))]);
  expect(await permissionsNow(db)).toMatchObject({ bob: ['docs:read', 'docs:write'] });
});

test('with REACTIVATION=events, an account under suspicion for another reason is read all the same', async () => {
  const { db } = core;
  await deliver(db, [anEvent(NEXT, 'dsync.user.updated', { ...aUser('bob'), state: 7 })]);
  const goes = anEvent(NEXT + 1, 'dsync.user.updated', aUser('bob', { state: 'suspended', updated_at: '2026-03-01T00:00:00.000Z' }));
  const back = anEvent(NEXT + 2, 'dsync.user.updated', aUser('bob', { updated_at: '2026-03-02T00:00:00.000Z' }));
  happens([goes, back]);
  await deliver(db, [goes, back]);
  expect(await db.refreshTask.findMany()).toMatchObject([{ userId: 'bob', reason: 'QUARANTINED_EVENT' }]);
  await refreshAll({ reactivation: 'events' });
  expect(await permissionsNow(db)).toMatchObject({ bob: ALL });
});
