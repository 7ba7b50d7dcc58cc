// What a log line shows, and what it never does.
import { expect, test } from 'vitest';
import { scrubError, scrubText } from '../../src/lib/scrub.ts';
import { createLogger } from '../../src/log.ts';

function logged(fields: object): string {
  const lines: string[] = [];
  createLogger('trace', { write: (line) => void lines.push(line) }).warn(fields, 'something happened');
  expect(lines).toHaveLength(1);
  return lines[0] ?? '';
}

test.each<[string, object]>([
  ['a key', { apiKey: 'hidden' }],
  ['one below', { request: { headers: { authorization: 'Bearer hidden' } } }],
  ['one two below', { a: { b: { email: 'hidden' } } }],
  ['a payload', { event: { payload: { first_name: 'hidden' }, raw: 'hidden' } }],
  ['custom attributes', { user: { customAttributes: { salary: 'hidden' } } }],
  ['an address in a text', { reason: 'the user hidden@example.com is unknown' }],
  ['a password in a URL', { target: 'postgres://user:hidden@db/x is away' }],
  ['a header in a text', { why: 'Authorization: Bearer hidden' }],
  ['an error of a database', { err: new Error('duplicate key\nDetail: Key (email)=(hidden) already exists.') }],
  ['an error that quotes', { err: new TypeError('invalid input syntax for type timestamp: "hidden"') }],
  ['the fields of an error', { err: Object.assign(new Error('x'), { meta: { detail: 'hidden' }, source: 'hidden' }) }],
  ['its cause', { err: new Error('x', { cause: new Error("no user called 'hidden'") }) }],
  ['its stack', { err: withStack('invocation: { where: { name: "hidden" } }') }],
])('%s is not shown', (_what, fields) => {
  expect(logged(fields)).not.toContain('hidden');
});

function withStack(message: string): Error {
  const error = new Error(message);
  error.stack = `Error: ${message}\n    at somewhere (file.ts:1:1)`;
  return error;
}

test('what helps stays: kind, code, place, ids, numbers', () => {
  const cause = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:5432'), { code: 'ECONNREFUSED' });
  const line = JSON.parse(logged({ err: new RangeError('the page failed', { cause }), eventId: 'event_01', events: 3, job: 'apply' }));
  expect(line).toMatchObject({
    level: 'warn',
    msg: 'something happened',
    eventId: 'event_01',
    events: 3,
    job: 'apply',
    err: {
      type: 'RangeError',
      message: 'the page failed',
      cause: { message: 'connect ECONNREFUSED 127.0.0.1:5432', code: 'ECONNREFUSED' },
    },
  });
  expect(line.err.stack).toContain('log.test.ts');
});

test('an endless text is cut, and a circle of causes ends', () => {
  expect(scrubText('x'.repeat(10_000)).length).toBeLessThan(3_000);
  const error = new Error('round');
  error.cause = error;
  expect(JSON.stringify(scrubError(error)).match(/round/g)?.length).toBeLessThan(10);
});
