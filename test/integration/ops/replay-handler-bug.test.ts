// A bug in a handler mis-stores an account; it is mended, and a replay of that account's events puts everything right. The bug
// is planted in the reader of one event type: it does not see that somebody is no longer active (as happened to others).
import { expect, test, vi } from 'vitest';
import type { ParsedEvent } from '../../../src/apply/parse-event.ts';
import { deliver } from '../../support/core-database.ts';
import { stateOfDatabase } from '../../support/directory-state.ts';
import { expectInvariants } from '../../support/invariants.ts';
import { replay } from '../../support/replays.ts';
import { changesSince, found, headOf, NEXT, permissionsNow } from '../../support/small-company.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';
import { anEvent, aUser } from '../../support/workos-objects.ts';

let planted = false;
vi.mock('../../../src/apply/parse-event.ts', async (original) => {
  const real = await original<typeof import('../../../src/apply/parse-event.ts')>();
  return {
    ...real,
    parseEvent(event: Parameters<typeof real.parseEvent>[0]): ParsedEvent {
      const parsed = real.parseEvent(event);
      if (!planted || event.type !== 'dsync.user.updated' || parsed.kind !== 'observation') return parsed;
      const facts = parsed.observation.facts.map((fact) =>
        fact.kind === 'userSeen' ? { ...fact, user: { ...fact.user, state: 'ACTIVE' as const } } : fact,
      );
      return { ...parsed, observation: { ...parsed.observation, facts } };
    },
  };
});

const core = useCoreDatabase();

const left = [
  anEvent(NEXT, 'dsync.user.updated', aUser('bob', { state: 'inactive', updated_at: '2026-03-01T00:00:00.000Z' })),
  anEvent(NEXT + 1, 'dsync.user.updated', aUser('bob', { state: 'inactive', first_name: 'Bobby', updated_at: '2026-03-02T00:00:00.000Z' })),
];

test('the leaver whom the bug let stay loses access by a replay of his events, and by nothing else', async () => {
  const { db } = core;
  await found(db);
  planted = true;
  await deliver(db, left);
  planted = false;
  expect(await permissionsNow(db)).toMatchObject({ bob: ['docs:admin', 'docs:read', 'docs:write'] });
  // Behind the guard against repeats, sending the events again would do nothing.
  await deliver(db, left);
  expect(await permissionsNow(db)).toMatchObject({ bob: expect.any(Array) });

  const head = await headOf(db);
  const rehearsal = await replay(db, { userId: 'bob', dryRun: true });
  expect(rehearsal).toMatchObject({ repaired: 1, affectedUsers: 1, revokedPermissions: 3 });
  expect(await headOf(db)).toBe(head);
  expect(await replay(db, { userId: 'bob', reason: 'ticket 7' })).toMatchObject({
    status: 'SUCCEEDED',
    repaired: 1,
    revokedPermissions: 3,
  });
  expect(await permissionsNow(db)).toEqual({ ann: ['docs:read', 'docs:write'] });
  expect(await db.directoryUser.findUniqueOrThrow({ where: { id: 'bob' } })).toMatchObject({ state: 'INACTIVE', firstName: 'Bobby' });
  expect(await changesSince(db, head)).toEqual(['bob REPLAY: -docs:admin -docs:read -docs:write']);
  await expectInvariants(db);

  const state = await stateOfDatabase(db);
  expect(await replay(db)).toMatchObject({ status: 'SUCCEEDED', repaired: 0 });
  expect(await stateOfDatabase(db)).toEqual(state);
});
