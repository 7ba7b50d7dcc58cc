// The change log forgets from its beginning: only what is old enough and handed on, in bounded rounds, and nobody who still
// needed it goes on as if nothing had been there.
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readHead } from '../../src/changes/head.ts';
import { pruneChanges } from '../../src/changes/prune.ts';
import type { Db } from '../../src/db/client.ts';
import type { FeedItem } from '../../src/feed/feed.ts';
import { aChange, commit, follow, positions, range } from '../support/changes.ts';
import { deliver, emptyTables } from '../support/core-database.ts';
import { type FeedNode, startFeedNode } from '../support/feed-node.ts';
import { expectInvariants } from '../support/invariants.ts';
import { COMPANY, putCatalog } from '../support/small-company.ts';
import { useCoreDatabase } from '../support/suite-database.ts';
import { waitFor } from '../support/wait-for.ts';
import { watch } from '../support/watched-db.ts';

const DAY_SECONDS = 86_400;
const KEEP = { keepSeconds: 30 * DAY_SECONDS };

const core = useCoreDatabase();
let db: Db;
beforeAll(async () => {
  db = core.db;
});
beforeEach(async () => {
  await emptyTables(db);
});

/** Lets the changes up to a position be so old. */
const age = (upTo: number, days: number) =>
  db.$executeRawUnsafe(
    "UPDATE entitlement_change SET recorded_at = now() - $2 * interval '1 day' WHERE position <= $1::bigint",
    upTo,
    days,
  );
const relayed = (upTo: number) => db.$executeRawUnsafe('UPDATE change_log_head SET relayed_position = $1::bigint', upTo);
const kept = async () =>
  (await db.entitlementChange.findMany({ select: { position: true }, orderBy: { position: 'asc' } })).map(({ position }) =>
    Number(position),
  );
const log = async (length: number) => {
  await commit(db, ...range(1, length).map((n) => aChange(`user_${n}`)));
  await relayed(length);
};

describe('a round', () => {
  test('takes what is too old, from the beginning', async () => {
    await log(10);
    await age(6, 31);
    expect(await pruneChanges(db, KEEP)).toBe(6);
    expect(await kept()).toEqual([7, 8, 9, 10]);
    expect(await readHead(db)).toMatchObject({ keptAfter: 6n, position: 10n });
    expect(await pruneChanges(db, KEEP)).toBe(0);
  });

  test('is bounded', async () => {
    await log(10);
    await age(9, 31);
    expect(await pruneChanges(db, { ...KEEP, limit: 4 })).toBe(4);
    expect(await pruneChanges(db, { ...KEEP, limit: 4 })).toBe(4);
    expect(await pruneChanges(db, { ...KEEP, limit: 4 })).toBe(1);
    expect(await kept()).toEqual([10]);
  });

  test('leaves what the relay has not handed on', async () => {
    await log(10);
    await age(10, 31);
    await relayed(4);
    expect(await pruneChanges(db, KEEP)).toBe(4);
    expect(await kept()).toEqual(range(5, 10));
  });

  test('makes no hole when a clock was put back', async () => {
    await log(6);
    await age(6, 31);
    await age(2, 1);
    expect(await pruneChanges(db, KEEP)).toBe(0);
    expect(await kept()).toEqual(range(1, 6));
  });

  test('may take all there is; positions go on where they were', async () => {
    await log(3);
    await age(3, 31);
    expect(await pruneChanges(db, KEEP)).toBe(3);
    expect(await readHead(db)).toMatchObject({ keptAfter: 3n, position: 3n });
    await commit(db, aChange('next'));
    expect(await kept()).toEqual([4]);
  });

  test('finds its rows by the primary key', async () => {
    await log(2_000);
    await db.$executeRawUnsafe('ANALYZE entitlement_change');
    await age(500, 31);
    const watched = watch(db);
    expect(await pruneChanges(watched.db, { ...KEEP, limit: 200 })).toBe(200);
    expect((await kept())[0]).toBe(201);
    expect(watched.statements.flatMap(({ sequentialScans }) => sequentialScans)).not.toContain('entitlement_change');
  });
});

describe('a subscriber', () => {
  let node: FeedNode | undefined;
  let stop = new AbortController();
  afterEach(async () => {
    stop.abort();
    stop = new AbortController();
    await node?.stop();
    node = undefined;
  });
  const start = async (): Promise<FeedNode> => {
    node = await startFeedNode({ url: core.url, relays: false, tail: { maxCount: 50 }, checkpointIntervalMs: 200 });
    return node;
  };
  const request = (after: bigint | null) => ({ filter: {}, after, tenant: null, signal: stop.signal });

  test('that asks for what is gone is told so at once', async () => {
    await log(20);
    await age(10, 31);
    await pruneChanges(db, KEEP);
    const { feed } = await start();
    await expect(feed.open(request(9n))).rejects.toMatchObject({ code: 'CURSOR_EXPIRED' });
    const follower = follow(await feed.open(request(10n)));
    await waitFor('the rest', () => follower.changes.length === 10);
    expect(positions(follower.changes)).toEqual(range(11, 20));
  });

  test('that was overtaken while it read gets an error and never a gap', { timeout: 30_000 }, async () => {
    await log(1_000);
    const { feed } = await start();
    const items = await feed.open(request(0n));
    const got: number[] = [];
    const pull = async (count: number): Promise<void> => {
      for (let n = 0; n < count; n += 1) {
        const { done, value } = (await items.next()) as IteratorResult<FeedItem>;
        if (!done && value.kind === 'change') got.push(Number(value.change.position));
      }
    };
    // It holds a batch of a hundred, of which it takes half; the log then begins far behind it.
    await pull(51);
    await age(900, 31);
    expect(await pruneChanges(db, KEEP)).toBe(900);
    await expect(pull(1_000)).rejects.toMatchObject({ code: 'CURSOR_EXPIRED' });
    expect(got).toEqual(range(1, got.length));
    expect(got.length).toBeLessThan(900);
  });

  test('that is up to date notices nothing', async () => {
    await log(100);
    const { feed } = await start();
    const follower = follow(await feed.open(request(100n)));
    await age(100, 31);
    expect(await pruneChanges(db, KEEP)).toBe(100);
    await commit(db, aChange('a'), aChange('b'));
    await waitFor('both', () => follower.changes.length === 2);
    expect(positions(follower.changes)).toEqual([101, 102]);
    expect(follower.ending).toBeUndefined();
  });
});

test('what is left of a real log still says what access there is (I2, I3)', async () => {
  await putCatalog(db);
  await deliver(db, COMPANY);
  const { position } = await readHead(db);
  await relayed(Number(position));
  await expectInvariants(db);
  for (const upTo of [1, Math.floor(Number(position) / 2), Number(position)]) {
    await age(upTo, 31);
    await pruneChanges(db, KEEP);
    expect((await readHead(db)).keptAfter).toBe(BigInt(upTo));
    await expectInvariants(db);
  }
});
