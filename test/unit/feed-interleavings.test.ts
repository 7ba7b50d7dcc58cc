// I4 under every order of things that a scheduler can think of: commits, the snapshots and answers of reads, entries of the
// stream that arrive, repeat or are lost, subscribers that come, filter, leave and come back by cursor. The oracle is the
// list of what was committed.
import fc from 'fast-check';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { changeMatcher } from '../../src/changes/match.ts';
import { createFeed } from '../../src/feed/feed.ts';
import { createRing, type Ring } from '../../src/feed/ring.ts';
import { createTail } from '../../src/feed/tail.ts';
import type { ChangeFilter, RecordedChange } from '../../src/model/change.ts';
import type { StreamNews } from '../../src/redis/change-stream.ts';
import { aChange, positions } from '../support/changes.ts';
import { credulousRing } from '../support/credulous-ring.ts';
import { createFakeLog } from '../support/fake-log.ts';

const log = pino({ level: 'silent' });
const SEED = 20260101;

const fate = fc.constantFrom(
  'arrives' as const,
  'arrives' as const,
  'is lost' as const,
  'repeats' as const,
  'reconnects' as const,
  'is offered' as const,
);
const commits = fc.array(fc.record({ users: fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 4 }), fate }), {
  minLength: 1,
  maxLength: 12,
});
const subscriber = fc.record({
  afterCommits: fc.nat({ max: 6 }),
  after: fc.constantFrom('now' as const, 'start' as const, 'middle' as const),
  users: fc.constantFrom<string[] | null>(null, ['a'], ['b', 'c']),
  tenant: fc.constantFrom(null, null, 'org_1', 'org_2'),
  leavesEvery: fc.constantFrom(1, 2, 5, 100),
});
const scenario = fc.record({
  commits,
  subscribers: fc.array(subscriber, { minLength: 1, maxLength: 3 }),
  maxCount: fc.constantFrom(1, 3, 100),
  batchSize: fc.constantFrom(1, 3, 100),
  streaming: fc.boolean(),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

async function play(
  s: fc.Scheduler,
  { commits, subscribers, maxCount, batchSize, streaming }: Scenario,
  makeRing?: (start: bigint) => Ring,
): Promise<void> {
  const step = (label: string) => s.schedule(Promise.resolve(), label);
  const fake = createFakeLog(step);
  const stop = new AbortController();
  const news: StreamNews[] = [];
  let committed = 0;

  async function* read(): AsyncGenerator<StreamNews> {
    yield { kind: 'connected', lastId: 0n };
    while (!stop.signal.aborted) {
      await step('stream');
      const next = news.shift();
      if (next) yield next;
      else await new Promise((resolve) => setImmediate(resolve));
    }
  }

  const tail = await s.waitFor(
    createTail({
      db: fake.db,
      stream: streaming ? { read } : null,
      log,
      maxCount,
      pollIntervalMs: { streaming: 4, alone: 2 },
      ring: makeRing ?? ((start) => createRing(start, { maxCount, maxBytes: 1e9 })),
    }),
  );
  const feed = createFeed({ db: fake.db, tail, log, checkpointIntervalMs: 5, batchSize });
  const running = tail.run(stop.signal);

  async function write(): Promise<void> {
    for (const { users, fate } of commits) {
      await step('commit');
      const rows = fake.commit(...users.map((user, index) => aChange(user, { organizationId: index % 2 ? 'org_2' : 'org_1' })));
      committed += 1;
      const lastId = rows.at(-1)?.position ?? 0n;
      if (fate === 'is offered') tail.offer(rows);
      else if (fate === 'reconnects') news.push({ kind: 'lost', error: new Error('cut') }, { kind: 'connected', lastId });
      else if (fate !== 'is lost') news.push({ kind: 'entries', changes: rows, lastId });
      if (fate === 'repeats') news.push({ kind: 'entries', changes: rows, lastId });
    }
  }

  async function subscribe({ afterCommits, after, users, tenant, leavesEvery }: Scenario['subscribers'][number]): Promise<void> {
    while (committed < Math.min(afterCommits, commits.length)) await step('not yet');
    const filter: ChangeFilter = { userIds: users };
    let cursor = after === 'now' ? null : after === 'start' ? 0n : BigInt(fake.changes.length >> 1);
    let from = cursor;
    const seen: RecordedChange[] = [];
    for (let finished = false; !finished && !stop.signal.aborted; ) {
      const items = feed.subscribe({ filter, after: cursor, tenant, signal: stop.signal });
      let pulled = 0;
      for await (const item of items) {
        await step('pull');
        if (pulled === 0) expect(item.kind).toBe('checkpoint');
        if (item.kind === 'change') {
          seen.push(item.change);
          cursor = item.change.position;
        } else {
          from ??= item.position;
          cursor = item.position;
          finished = committed === commits.length && item.caughtUp && item.position === BigInt(fake.changes.length);
        }
        pulled += 1;
        if (finished || pulled > leavesEvery) break;
      }
    }
    const start = from ?? 0n;
    const expected = fake.changes.filter((change) => change.position > start).filter(changeMatcher(filter, tenant));
    expect(positions(seen)).toEqual(positions(expected));
  }

  try {
    await s.waitFor(Promise.all([write(), ...subscribers.map(subscribe)]));
  } finally {
    stop.abort();
    await s.waitFor(running);
  }
}

test('a subscriber gets exactly the matching changes after its cursor, in order, once, across reconnects', {
  timeout: 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), scenario, (s, story) => play(s, story)),
    { seed: SEED, numRuns: 2_000 },
  );
});

test('control: with a tail that does not ask for contiguity, changes are lost', { timeout: 60_000 }, async () => {
  const result = await fc.check(
    fc.asyncProperty(fc.scheduler(), scenario, (s, story) => play(s, { ...story, streaming: true }, credulousRing)),
    { seed: SEED, numRuns: 300, endOnFailure: true },
  );
  expect(result.failed).toBe(true);
  expect(String(result.errorInstance)).toMatch(/to deeply equal/);
});
