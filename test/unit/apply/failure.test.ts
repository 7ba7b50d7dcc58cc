import { expect, test } from 'vitest';
import { classifyFailure, RETRY_DELAYS_MS } from '../../../src/apply/failure.ts';

const withCode = (code: string, message = 'failed'): Error => Object.assign(new Error(message), { code });
const fromDriver = (originalCode: string): Error =>
  Object.assign(new Error('Raw query failed'), { code: 'P2010', meta: { driverAdapterError: { cause: { originalCode } } } });

test.each([
  // About the event: it will be refused again.
  ['22P05', 'refused_by_database'],
  ['22021', 'refused_by_database'],
  ['23505', 'refused_by_database'],
  ['54000', 'refused_by_database'],
  // About the world: the event is not to blame.
  ['08006', 'outage'],
  ['25P03', 'outage'],
  ['40001', 'outage'],
  ['40P01', 'outage'],
  ['53100', 'outage'],
  ['53300', 'outage'],
  ['57P01', 'outage'],
  ['57P03', 'outage'],
  ['58030', 'outage'],
  // Perhaps too much at once: fewer events are tried, then this one a few times more.
  ['57014', 'unexpected'],
  ['55P03', 'unexpected'],
  ['42703', 'unexpected'],
  ['P0001', 'unexpected'],
  ['XX000', 'unexpected'],
])('SQLSTATE %s is %s, however it was wrapped', (state, expected) => {
  for (const error of [withCode(state), fromDriver(state), new Error('outer', { cause: withCode(state) })])
    expect(classifyFailure(error)).toBe(expected);
});

test.each(['P1001', 'P1017', 'P2024', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND'])('%s is an outage', (code) => {
  expect(classifyFailure(withCode(code))).toBe('outage');
  expect(classifyFailure(new Error('outer', { cause: withCode(code) }))).toBe('outage');
});

test.each([
  'Connection terminated unexpectedly',
  'timeout exceeded when trying to connect',
  'Connection terminated due to connection timeout',
])('"%s" is an outage', (message) => {
  expect(classifyFailure(new Error(message))).toBe('outage');
});

test.each([new TypeError('x is not a function'), 'a text', undefined, null, 7, withCode('P2002'), withCode('ENOENT')])(
  '%s is unexpected',
  (error) => {
    expect(classifyFailure(error)).toBe('unexpected');
  },
);

test('a few attempts, ever slower', () => {
  expect(RETRY_DELAYS_MS).toEqual([1_000, 5_000, 30_000]);
});
