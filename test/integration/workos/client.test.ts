import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLogger } from '../../../src/log.ts';
import { createWorkosClient, type WorkosClient } from '../../../src/workos/client.ts';
import { EVENT_TYPES } from '../../../src/workos/event-types.ts';
import { WorkosError } from '../../../src/workos/workos-error.ts';
import { json, type ScriptedHttp, startScriptedHttp } from '../../support/scripted-http.ts';

const KEY = 'sk_very_secret';
const page = (data: unknown[], after: string | null = null) => ({ object: 'list', data, list_metadata: { before: null, after } });
const signal = new AbortController().signal;

let server: ScriptedHttp;
let patient: WorkosClient;
let hasty: WorkosClient;
const lines: string[] = [];
beforeAll(async () => {
  server = await startScriptedHttp();
  const log = createLogger('debug', { write: (line) => void lines.push(line) });
  const options = { apiKey: KEY, apiUrl: server.url, log };
  patient = createWorkosClient({ ...options, maxRetries: 1 });
  hasty = createWorkosClient({ ...options, maxRetries: 0, requestTimeoutMs: 300, maxResponseBytes: 10_000 });
});
afterAll(async () => {
  await server.stop();
  expect(lines.join('')).not.toContain(KEY);
});

const events = (client: WorkosClient, over: { after?: string; signal?: AbortSignal } = {}) =>
  client.listEvents({ events: EVENT_TYPES, limit: 100, signal, ...over });
const failure = async (work: Promise<unknown>): Promise<WorkosError> => {
  const error = await work.then(
    () => undefined,
    (e: unknown) => e,
  );
  if (!(error instanceof WorkosError)) throw new Error('expected a WorkosError', { cause: error });
  expect(error.message).not.toContain(KEY);
  return error;
};

describe('what is asked and what comes back', () => {
  it('events: all of ours by name, nothing dropped from what the server says', async () => {
    const element = {
      id: 'event_1',
      event: 'dsync.user.created',
      data: { name: 'kept', custom: { deep: [1] } },
      context: { x: 1 },
      unknown: true,
    };
    server.answer(json(page([element, 'odd', null], 'event_1')));
    expect(await events(patient, { after: 'event_0' })).toEqual({ events: [element, 'odd', null], after: 'event_1', mangled: false });
    const [request] = server.requests;
    expect(request?.path).toBe('/events');
    expect(request?.headers.authorization).toBe(`Bearer ${KEY}`);
    expect(Object.fromEntries(request?.query ?? [])).toEqual({ events: EVENT_TYPES.join(','), after: 'event_0', limit: '100' });
  });

  it('the state API, by directory, group and user', async () => {
    server.answer(json(page([{ id: 'x' }]), { headers: { date: 'Sun, 01 Mar 2026 12:00:00 GMT' } }));
    const options = { limit: 50, signal };
    expect(await patient.listDirectories(options)).toEqual({ items: [{ id: 'x' }], after: null, at: new Date('2026-03-01T12:00:00Z') });
    await patient.listUsers({ directoryId: 'd1', after: 'u9', ...options });
    await patient.listUsers({ groupId: 'g1', ...options });
    await patient.listGroups({ directoryId: 'd1', ...options });
    await patient.listGroups({ userId: 'u1', ...options });
    const before = [...server.requests];
    server.answer(json({ id: 'u1', metadata: { kept: true } }));
    expect(await patient.getUser('u/1', { signal })).toEqual({ id: 'u1', metadata: { kept: true } });
    await patient.getDirectory('d1', { signal });
    expect([...before, ...server.requests].map(({ path, query }) => `${path}?${query}`)).toEqual([
      '/directories?limit=50',
      '/directory_users?directory=d1&after=u9&limit=50',
      '/directory_users?group=g1&limit=50',
      '/directory_groups?directory=d1&limit=50',
      '/directory_groups?user=u1&limit=50',
      '/directory_users/u%2F1?',
      '/directories/d1?',
    ]);
  });
});

describe('the table of errors', () => {
  it.each([
    ['rate_limited', 429, undefined, undefined],
    ['rate_limited', 429, '60', 60_000],
    ['rate_limited', 429, 'Sun, 01 Mar 2026 12:01:00 GMT', 60_000],
    ['rate_limited', 429, 'Sun, 01 Mar 2020 12:01:00 GMT', 0],
    ['rate_limited', 429, '9999999', 300_000],
    ['unavailable', 500, undefined, undefined],
    ['unavailable', 503, '5', 5_000],
    ['unauthorized', 401, undefined, undefined],
    ['unauthorized', 403, undefined, undefined],
    ['not_found', 404, undefined, undefined],
    ['refused', 400, undefined, undefined],
    ['refused', 422, undefined, undefined],
  ])('%s: %i, Retry-After %s', async (kind, status, retryAfter, retryAfterMs) => {
    const headers = { date: 'Sun, 01 Mar 2026 12:00:00 GMT', ...(retryAfter && { 'retry-after': retryAfter }) };
    server.answer(json({ message: `no, ${KEY}`, errors: [{ code: 'bad' }] }, { status, headers }));
    expect(await failure(events(hasty))).toMatchObject({ kind, retryAfterMs });
  });

  it.each([400, 422])('cursor_refused: %i to a request with `after`', async (status) => {
    server.answer(json({ message: 'Event not found' }, { status }));
    expect(await failure(events(hasty, { after: 'event_0' }))).toMatchObject({
      kind: 'cursor_refused',
      message: expect.stringContaining('Event not found'),
    });
  });

  it.each<[string, Parameters<ScriptedHttp['answer']>[0]]>([
    ['truncated JSON', (r) => void r.writeHead(200, { 'content-type': 'application/json' }).end('{"data":[{"secret":"pay')],
    ['HTML', (r) => void r.writeHead(200, { 'content-type': 'text/html' }).end('<html>pay</html>')],
    ['JSON under another name', (r) => void r.writeHead(200, { 'content-type': 'text/plain' }).end('{}')],
    ['an empty body', (r) => void r.writeHead(204).end()],
    ['another shape', json({ data: 'pay' })],
    ['no list_metadata', json({ data: [] })],
    ['null', json(null)],
  ])('bad_response: %s, and the payload stays out of the message', async (_, answer) => {
    server.answer(answer);
    const error = await failure(events(hasty));
    expect(error.kind).toBe('bad_response');
    expect(error.message).not.toContain('pay');
    expect(error.cause).toBeUndefined();
  });

  it('unavailable: HTML with 502, a cut connection, a body that breaks off, nobody there', async () => {
    server.answer((r) => void r.writeHead(502, { 'content-type': 'text/html' }).end('<html>'));
    expect((await failure(events(hasty))).kind).toBe('unavailable');
    server.answer((r) => void r.destroy());
    expect((await failure(events(hasty))).kind).toBe('unavailable');
    server.answer(
      (r) => void r.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 }).write('{"data":', () => r.destroy()),
    );
    expect((await failure(events(hasty))).kind).toBe('unavailable');
    const gone = await startScriptedHttp();
    await gone.stop();
    const nobody = createWorkosClient({ apiKey: KEY, apiUrl: gone.url, log: createLogger('silent'), maxRetries: 0 });
    expect(await failure(events(nobody))).toMatchObject({ kind: 'unavailable', message: expect.stringContaining('ECONNREFUSED') });
  });

  it('unavailable: no answer, or no end of it, in time', async () => {
    server.answer(() => undefined);
    expect((await failure(events(hasty))).kind).toBe('unavailable');
    server.answer((r) => void r.writeHead(200, { 'content-type': 'application/json' }).write('{'));
    expect((await failure(events(hasty))).kind).toBe('unavailable');
  });

  it('too_large: an answer without end is not read to its end', async () => {
    server.answer(json(page([{ id: 'x'.repeat(20_000) }])));
    expect((await failure(events(hasty))).kind).toBe('too_large');
  });
});

describe('tries', () => {
  it.each<[string, Parameters<ScriptedHttp['answer']>[0]]>([
    ['500', json({}, { status: 500 })],
    ['429 with a short Retry-After', json({}, { status: 429, headers: { 'retry-after': '0' } })],
    ['a body that breaks off', (r) => void r.writeHead(200, { 'content-length': 100 }).write('{', () => r.destroy())],
    ['bytes that are not UTF-8', (r) => void r.writeHead(200, { 'content-type': 'application/json' }).end(Buffer.from([0x22, 0xff, 0x22]))],
  ])('%s is tried again', async (_, answer) => {
    server.answer(answer, json(page([1])));
    expect(await events(patient)).toEqual({ events: [1], after: null, mangled: false });
    expect(server.requests).toHaveLength(2);
  });

  it('a long Retry-After is left to the caller', async () => {
    server.answer(json({}, { status: 429, headers: { 'retry-after': '30' } }));
    expect(await failure(events(patient))).toMatchObject({ kind: 'rate_limited', retryAfterMs: 30_000 });
    expect(server.requests).toHaveLength(1);
  });

  it('bytes that stay bad are taken with a mark', async () => {
    const body = Buffer.from(JSON.stringify(page(['a_b'])));
    body[body.indexOf('_')] = 0x80;
    server.answer((r) => void r.writeHead(200, { 'content-type': 'application/json' }).end(body));
    expect(await events(patient)).toEqual({ events: ['a\ufffdb'], after: null, mangled: true });
    expect(server.requests).toHaveLength(2);
  });
});

describe('an aborted call ends at once', () => {
  it.each<[string, Parameters<ScriptedHttp['answer']>[0]]>([
    ['while waiting for the answer', () => undefined],
    ['between two tries', json({}, { status: 500 })],
  ])('%s', async (_, answer) => {
    const controller = new AbortController();
    server.answer((response, request) => {
      answer(response, request);
      setTimeout(() => controller.abort(new Error('stop')), 50);
    });
    const startedAt = performance.now();
    await expect(events(patient, { signal: controller.signal })).rejects.toThrow('stop');
    // Before the second try, and long before a try is out of time.
    expect(server.requests).toHaveLength(1);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });

  it('before it began', async () => {
    server.answer(json(page([])));
    await expect(events(patient, { signal: AbortSignal.abort(new Error('stop')) })).rejects.toThrow('stop');
    expect(server.requests).toHaveLength(0);
  });
});
