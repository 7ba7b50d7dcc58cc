import { expect, test } from 'vitest';
import { type Report, summarize } from '../../support/summary.ts';

const file = (status: string, ...tests: string[]): Report['testResults'][number] => ({
  name: 'a.test.ts',
  status,
  assertionResults: tests.map((testStatus, index) => ({ fullName: `test ${index}`, status: testStatus })),
});
const counts = (exitCode: number | null, ...testResults: Report['testResults']) => {
  const { passed, failed } = summarize({ testResults }, exitCode);
  return `${passed} passed, ${failed} failed`;
};

test('counts tests, and a file that fails outside of its tests as one', () => {
  expect(counts(0, file('passed', 'passed', 'passed'))).toBe('2 passed, 0 failed');
  expect(counts(1, file('failed', 'passed', 'failed'), file('failed', 'passed'))).toBe('2 passed, 2 failed');
});

test('a run without any test, without a report, or with an error of its own has failed', () => {
  expect(counts(0)).toBe('0 passed, 1 failed');
  expect(counts(1, file('passed', 'passed'))).toBe('1 passed, 1 failed');
  expect(counts(null, file('passed', 'passed'))).toBe('1 passed, 1 failed');
  expect(summarize(undefined, 1)).toEqual({ passed: 0, failed: 1, skipped: [] });
});

test('what did not run is named', () => {
  expect(summarize({ testResults: [file('passed', 'passed', 'skipped', 'todo')] }, 0).skipped).toEqual(['test 1', 'test 2']);
});
