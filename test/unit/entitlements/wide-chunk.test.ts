// A page of a wide change is work for this thread alone: whoever asks meanwhile has a turn after every few users.
import { expect, test } from 'vitest';
import type { Tx } from '../../../src/db/client.ts';
import { causeOfCatalog } from '../../../src/entitlements/catalog.ts';
import { FIELD, LINE } from '../../../src/entitlements/text-rows.ts';
import { computeChunk } from '../../../src/entitlements/wide-chunk.ts';

const USERS = 205;
/** In a row, without a turn of others. */
const AT_MOST = 10;
const CAUSE = causeOfCatalog('ops', new Date(0));

test('others have a turn after every ten users', async () => {
  const lines = Array.from({ length: USERS }, (_, n) => [`"user_${n}"`, '"directory_1"', 'facts'].join(FIELD)).join(LINE);
  const page = [{ last: `user_${USERS - 1}`, groupNames: '{}', catalog: '{}', lines }];
  const tx = { $queryRawUnsafe: async () => page } as unknown as Tx;
  const inARow = [0];
  // The catalog is the one that is known, and the shapes of its users are what is counted.
  const shapes = {
    of: () => {
      inARow[inARow.length - 1] = (inARow.at(-1) ?? 0) + 1;
      return undefined;
    },
  };
  let isOver = false;
  const turn = (): void => {
    inARow.push(0);
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  const reach = { organizationId: 'org_1', roles: [], groupIds: [] };
  await computeChunk(tx, reach, CAUSE, { after: '', limit: 1_000, memory: { catalog: '{}', shapes } });
  isOver = true;
  expect(inARow.reduce((sum, users) => sum + users, 0)).toBe(USERS);
  expect(Math.max(...inARow)).toBeLessThanOrEqual(AT_MOST);
});
