// What the database is still at while the rows of the changes are made.
import { expect, test } from 'vitest';
import { causeOfEvent } from '../../../src/apply/parse-event.ts';
import type { Tx } from '../../../src/db/client.ts';
import { storeTransitions } from '../../../src/entitlements/store.ts';
import type { AccessTransition } from '../../../src/entitlements/transition.ts';
import { NO_ACCESS } from '../../../src/model/entitlement.ts';

const cause = causeOfEvent({ id: 'event_1', type: 'dsync.user.created', raw: '', occurredAt: new Date(0) });
const grant: AccessTransition = {
  kind: 'access',
  userId: 'ada',
  organizationId: 'org_1',
  directoryId: 'directory_1',
  before: NO_ACCESS,
  after: { roles: ['reader'], permissions: ['read'], reasons: { paths: [], permissions: {} } },
  cause,
};

function atWork() {
  const asked: string[] = [];
  const tx = { $queryRawUnsafe: async () => [asked.push('append') && { base: 4n, recordedAt: cause.occurredAt }] } as unknown as Tx;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const made = {
    ...grant,
    get after() {
      asked.push('made');
      return grant.after;
    },
  };
  return { asked, tx, before: promise, resolve, reject, made };
}

test('rows are made at once, and written when what comes before them is', async () => {
  const { asked, tx, before, resolve, made } = atWork();
  const stored = storeTransitions(tx, [made], before);
  await Promise.resolve();
  expect(new Set(asked)).toEqual(new Set(['made']));
  resolve();
  expect((await stored).map(({ position }) => position)).toEqual([5n]);
  expect(asked.at(-1)).toBe('append');
});

test.each<[string, AccessTransition[]]>([
  ['something', [grant]],
  ['nothing', []],
])('a failure before %s is told, and nothing is written', async (_, transitions) => {
  const { asked, tx, before, reject } = atWork();
  const stored = storeTransitions(tx, transitions, before);
  reject(new Error('refused'));
  await expect(stored).rejects.toThrow('refused');
  expect(asked).toEqual([]);
});
