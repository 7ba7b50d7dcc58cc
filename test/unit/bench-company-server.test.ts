// The source of the ingest benchmark against the fake WorkOS that holds the same events: every answer, byte for byte.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { closeServer, listen } from '../../src/fake-workos/listen.ts';
import { type FakeWorkos, startFakeWorkos } from '../../src/fake-workos/server.ts';
import { createLogger } from '../../src/log.ts';
import { CORE_EVENT_TYPES, EVENT_TYPES } from '../../src/workos/event-types.ts';
import { createCompanyServer } from '../bench/company-server.ts';
import { type CompanySize, countOf, eventIdOf, eventOf, numberOfEvent } from '../bench/ingest-company.ts';

const SMALL = { users: 130, memberships: 2 };
const COUNT = countOf(SMALL);
const unknownPaths: string[] = [];
const company = createCompanyServer(SMALL, (path) => unknownPaths.push(path));
let companyUrl: string;
let fake: FakeWorkos;

const urlOf = async (server: typeof company): Promise<string> => `http://127.0.0.1:${await listen(server, '127.0.0.1', 0)}`;
const eventsOf = (size: CompanySize) => Array.from({ length: countOf(size) }, (_, n) => eventOf(size, n));

beforeAll(async () => {
  fake = await startFakeWorkos({ log: createLogger('silent'), source: { kind: 'history', events: eventsOf(SMALL) } });
  companyUrl = await urlOf(company);
});
afterAll(() => Promise.all([fake.close(), closeServer(company)]));

async function ask(url: string, query: string, key = 'sk_fake_workos') {
  const response = await fetch(`${url}/events?${query}`, { headers: { authorization: `Bearer ${key}` } });
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
}

const ALL = `events=${EVENT_TYPES.join(',')}`;
const after = (n: number) => `after=${eventIdOf(n)}`;

test.each([
  ['the first page', `${ALL}&limit=100`, 100],
  ['the core types alone', `events=${CORE_EVENT_TYPES.join(',')}&limit=100`, 100],
  ['a page in the middle', `${ALL}&limit=100&${after(1_050)}`, 100],
  ['a short page', `${ALL}&limit=7&${after(1_007)}`, 7],
  ['no limit', `${ALL}&${after(12)}`, 10],
  ['a page that ends with the last event', `${ALL}&limit=100&${after(COUNT - 101)}`, 100],
  ['the last page', `${ALL}&limit=100&${after(COUNT - 40)}`, 39],
  ['nothing after the last', `${ALL}&limit=100&${after(COUNT - 1)}`, 0],
  ['one type', `events=dsync.user.created&limit=100&${after(1_100)}`, 99],
  ['one organization', `${ALL}&limit=100&organization_id=org_${'3'.padStart(26, '0')}&${after(1_011)}`, 39],
  ['from a time on', `${ALL}&limit=100&range_start=2026-01-01T00:00:01.300Z`, 100],
])('%s is what the fake answers', async (_, query, length) => {
  const answer = await ask(companyUrl, query);
  expect(answer).toEqual(await ask(fake.url, query));
  expect(JSON.parse(answer.text).data).toHaveLength(length);
});

test.each([
  ['a cursor that is beyond the last', `${ALL}&${after(COUNT)}`, 400],
  ['a cursor that is none', `${ALL}&after=event_01J00000000000000000000000`, 400],
  ['a cursor that is no id', `${ALL}&after=x`, 400],
  ['a limit of 0', `${ALL}&limit=0`, 422],
  ['no types', 'limit=100', 422],
])('%s is refused as by the fake', async (_, query, status) => {
  const answer = await ask(companyUrl, query);
  expect(answer).toEqual(await ask(fake.url, query));
  expect(answer.status).toBe(status);
});

test('without the key nothing is answered', async () => {
  const answer = await ask(companyUrl, ALL, 'another');
  expect(answer).toEqual(await ask(fake.url, ALL, 'another'));
  expect(answer.status).toBe(401);
});

test('what is asked for and not there is told', async () => {
  const response = await fetch(`${companyUrl}/directories`, { headers: { authorization: 'Bearer sk_fake_workos' } });
  expect(response.status).toBe(404);
  expect(unknownPaths).toEqual(['/directories']);
});

test('ids rise, and each tells its number', () => {
  const numbers = [0, 1, 31, 32, 1_009, 1_010, 999_999, 2_001_009];
  const ids = numbers.map(eventIdOf);
  expect(ids.toSorted()).toEqual(ids);
  expect(ids.map(numberOfEvent)).toEqual(numbers);
});

test('a page of a million people is made of its own events alone', async () => {
  const size = { users: 1_000_000, memberships: 1 };
  const server = createCompanyServer(size, () => undefined);
  try {
    const url = await urlOf(server);
    const from = countOf(size) - 150;
    const { data, list_metadata } = JSON.parse((await ask(url, `${ALL}&limit=100&${after(from)}`)).text);
    expect(data).toEqual(Array.from({ length: 100 }, (_, index) => eventOf(size, from + 1 + index)));
    expect(list_metadata).toEqual({ before: null, after: eventIdOf(from + 100) });
  } finally {
    await closeServer(server);
  }
});
