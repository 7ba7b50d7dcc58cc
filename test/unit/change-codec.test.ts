import { expect, test } from 'vitest';
import { decodeChange, encodeChange } from '../../src/redis/change-codec.ts';
import { aChange, recorded } from '../support/changes.ts';

const change = recorded(9_007_199_254_740_993n, aChange('user_\u0000é😀', { revokedRoles: ['a', 'b'] }));

test('an entry comes back as it was, dates and large positions included', () => {
  expect(decodeChange('9007199254740993-0', encodeChange(change))).toEqual(change);
});

test.each([
  ['no JSON', '1-0', '{'],
  ['no text', '1-0', undefined],
  ['another shape', '1-0', '{"organizationId":"org_1"}'],
  ['a null', '1-0', 'null'],
  ['a foreign id', '1-5', encodeChange(change)],
  ['a date that is none', '1-0', encodeChange(change).replace(/2026-01-01T00:00:00.000Z/, 'yesterday')],
])('%s is a hole, not an error', (_, id, text) => {
  expect(decodeChange(id, text)).toBeNull();
});
