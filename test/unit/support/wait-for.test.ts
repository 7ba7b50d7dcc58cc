import { expect, test } from 'vitest';
import { waitFor } from '../../support/wait-for.ts';

test('gives back what the probe found, and takes a throwing probe for "not yet"', async () => {
  let calls = 0;
  const found = await waitFor('the third call', () => {
    calls += 1;
    if (calls === 1) throw new Error('no');
    return calls >= 3 && { calls };
  });
  expect(found).toEqual({ calls: 3 });
});

test('when time is up it says what it waited for and what is missing', async () => {
  const quick = { timeoutMs: 30, everyMs: 5 };
  await expect(waitFor('rain', () => 0, quick)).rejects.toThrow('Waited 30 ms in vain for rain. Last seen: 0');
  await expect(waitFor('rain', () => Promise.reject(new Error('dry')), quick)).rejects.toThrow(/Last seen: Error: dry/);
  await expect(waitFor('users', () => false, { ...quick, missing: () => ['ann'] })).rejects.toThrow("Missing: [ 'ann' ]");
});
