// Failures that real consumers of these events reported, each of which must not happen here. Numbers as in the facts about
// WorkOS that this service is built on.
import { expect, test } from 'vitest';
import { deliver } from '../../support/core-database.ts';
import { expectInvariants } from '../../support/invariants.ts';
import { NEXT, permissionsNow, verdicts } from '../../support/small-company.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';
import { aGroup, aMembership, anEvent, aUser, momentOf } from '../../support/workos-objects.ts';

const core = useCoreDatabase({ each: 'small company' });

test.each(['inactive', 'suspended'])('2: `state: %s` ends all access', async (state) => {
  const { db } = core;
  await deliver(db, [anEvent(NEXT, 'dsync.user.updated', aUser('bob', { state, updated_at: momentOf(NEXT) }))]);
  expect(await permissionsNow(db)).not.toHaveProperty('bob');
  await expectInvariants(db);
});

test('2: the state counts also when the source forgot to move `updated_at`', async () => {
  const { db } = core;
  await deliver(db, [anEvent(NEXT, 'dsync.user.updated', aUser('bob', { state: 'inactive' }))]);
  expect(await permissionsNow(db)).not.toHaveProperty('bob');
});

test.each(['dsync.user.deleted', 'dsync.group.user_removed'])('3: a repeated or late %s does not bring the user back', async (type) => {
  const { db } = core;
  const removal = (n: number, id: string) =>
    anEvent(n, type, type === 'dsync.user.deleted' ? aUser(id) : aMembership(aUser(id), aGroup('engineers')));
  await deliver(db, [anEvent(NEXT, 'dsync.user.deleted', aUser('bob')), removal(NEXT + 1, 'bob'), removal(NEXT + 2, 'nobody')]);
  expect(await permissionsNow(db)).not.toHaveProperty('bob');
  expect(await db.directoryUser.findMany({ where: { state: { not: 'DELETED' } }, select: { id: true } })).toEqual([
    { id: 'ann' },
    { id: 'cyd' },
  ]);
  expect(
    await db.effectiveEntitlement.count({ where: { userId: { in: ['bob', 'nobody'] }, toPosition: 9_223_372_036_854_775_807n } }),
  ).toBe(0);
  await expectInvariants(db);
});

test('4: `user_removed` after `group.deleted` is settled at once', async () => {
  const { db } = core;
  await deliver(db, [
    anEvent(NEXT, 'dsync.group.deleted', aGroup('engineers')),
    anEvent(NEXT + 1, 'dsync.group.user_removed', aMembership(aUser('ann'), aGroup('engineers'))),
    anEvent(NEXT + 2, 'dsync.group.user_removed', aMembership(aUser('ann'), aGroup('never-seen'))),
  ]);
  expect(await verdicts(db)).toMatchObject({ '0010': 'APPLIED', '0011': 'APPLIED', '0012': 'APPLIED' });
  expect(await db.directoryEvent.count({ where: { attempts: { gt: 0 } } })).toBe(0);
  await expectInvariants(db);
});

test('5: a poison event neither blocks the stream nor is swallowed', async () => {
  const { db } = core;
  const poison = anEvent(NEXT, 'dsync.user.updated', aUser('ann', { state: 'on vacation' }));
  await deliver(db, [poison, anEvent(NEXT + 1, 'dsync.group.user_removed', aMembership(aUser('ann'), aGroup('engineers')))]);
  expect(await verdicts(db)).toMatchObject({ '0010': 'QUARANTINED', '0011': 'APPLIED' });
  const { error, raw } = await db.directoryEvent.findUniqueOrThrow({ where: { id: poison.id } });
  expect(error).toMatch(/^data\.state: /);
  expect(raw).toBe(poison.raw);
});
