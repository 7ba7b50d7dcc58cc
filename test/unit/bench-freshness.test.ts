import { expect, test } from 'vitest';
import { ageOfLastGrant, type Probe } from '../bench/freshness-verdict.ts';

const COMMIT = 5_000;
const probe = (startedAtMs: number, isGranted: boolean): Probe => ({ startedAtMs, isGranted });
const before = probe(COMMIT - 100, true);

test('the last answer that grants is told, by when it began', () => {
  expect(ageOfLastGrant('one', [before, probe(COMMIT + 1, false), probe(COMMIT + 1_001, false)], COMMIT)).toBe(0);
  expect(ageOfLastGrant('one', [before, probe(COMMIT + 400, true), probe(COMMIT + 300, false), probe(COMMIT + 1_001, false)], COMMIT)).toBe(
    400,
  );
});

test('an answer that began beyond the bound and grants fails the run', () => {
  expect(() => ageOfLastGrant('one', [before, probe(COMMIT + 1_001, false), probe(COMMIT + 1_002, true)], COMMIT)).toThrow('still granted');
});

test('so do probes that prove nothing', () => {
  expect(() => ageOfLastGrant('one', [before, probe(COMMIT + 1_000, false)], COMMIT)).toThrow('not asked');
  expect(() => ageOfLastGrant('one', [probe(COMMIT - 100, false), probe(COMMIT + 1_001, false)], COMMIT)).toThrow('not asked');
});
