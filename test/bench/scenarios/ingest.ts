// B2: events from the pages of WorkOS to a change log that has caught up: a real history, and a company that is provisioned for the
// first time. Ours is the real binary's `work`, with Redis, every defence on, on the servers' core; the source, Postgres with fsync
// and Redis have the other one. Against the limit (set-based SQL of the same rows, in batches as large as ours), a tutorial's
// handler (one transaction of Prisma's per event, entitlements left out) and @boxyhq/saml-jackson (the people of the company as
// SCIM requests, without HTTP): these two are asked for a rate, and work for some seconds.
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { CatalogInput } from '../../../src/entitlements/catalog-plan.ts';
import { startRedis } from '../../support/redis.ts';
import { COMPANY_CATALOG, writeCompany } from '../ingest-company.ts';
import { runOurs, runPeer } from '../ingest-runs.ts';
import { openDatabases, startSource } from '../ingest-source.ts';
import { alternate, type BenchOptions, type Comparison, type Scenario } from '../scenario.ts';

const HISTORY = process.env.BENCH_HISTORY ?? fileURLToPath(new URL('../../../../shared/real-history', import.meta.url));
/** As src/apply/apply-batch.ts. */
const BATCH = '1000';
const SLOW_PEER_SECONDS = { quick: '1', full: '5' };
/** Of each: with two, five rounds of 100,000 would take a quarter of an hour. */
const MEMBERSHIPS = 1;

interface Events {
  name: string;
  file: string;
  lastEventId: string;
  catalog: CatalogInput;
}

function realHistory(): Events {
  const file = join(HISTORY, 'events.jsonl.gz');
  const last = gunzipSync(readFileSync(file)).toString('utf8').trim().split('\n').at(-1) ?? '{}';
  const { id } = JSON.parse(last) as { id: string };
  const catalog = JSON.parse(readFileSync(join(HISTORY, 'catalog.json'), 'utf8')) as CatalogInput;
  return { name: 'real history', file, lastEventId: id, catalog };
}

async function company(dir: string, users: number): Promise<Events> {
  const file = join(dir, `${users}.jsonl`);
  const lastEventId = await writeCompany(file, { users, memberships: MEMBERSHIPS });
  return { name: `${users.toLocaleString('en')} users provisioned`, file, lastEventId, catalog: COMPANY_CATALOG };
}

const OTHERS: Readonly<Record<string, Pick<Comparison, 'other' | 'goal'>>> = {
  limit: { other: 'limit: set-based SQL of the same rows', goal: { atLeast: 0.4 } },
  tutorial: { other: 'tutorial: a Prisma transaction per event', goal: { atLeast: 10 } },
  scim: { other: '@boxyhq/saml-jackson, directory sync' },
};

async function compare({ name, file, lastEventId, catalog }: Events, { rounds, quick, say }: BenchOptions): Promise<Comparison[]> {
  const redis = await startRedis();
  const databases = await openDatabases(catalog, say);
  const source = await startSource(file, lastEventId);
  /** The rows that the limit writes: what ours has made of the same events. */
  let recorded: string | undefined;
  const onNew = async (run: (url: string) => Promise<number>): Promise<number> => {
    const url = await databases.create();
    const value = await run(url);
    if (url !== recorded) await databases.drop(url);
    return value;
  };
  const ours = () =>
    onNew(async (url) => {
      const { eventsPerSecond } = await runOurs(url, source, redis.url);
      recorded ??= url;
      return eventsPerSecond;
    });
  const limit = () => onNew((url) => runPeer('peers/ingest-limit.js', { ...peer(url), RECORDED: recorded ?? '', BATCH }));
  const slow = (file: string) => () =>
    onNew((url) => runPeer(file, { ...peer(url), MAX_SECONDS: SLOW_PEER_SECONDS[quick ? 'quick' : 'full'] }));
  const tutorial = slow('../tutorial/ingest.ts');
  const scim = slow('peers/ingest-jackson.js');
  const peer = (url: string) => ({ DATABASE_URL: url, SOURCE: source.url });
  try {
    // It takes users and groups that come into being, and no history.
    const contenders: Record<string, () => Promise<number>> = { ours, limit, tutorial, ...(catalog === COMPANY_CATALOG && { scim }) };
    // Each run is a new process on a new database: there is nothing to warm up.
    const { ours: own = [], ...others } = await alternate(rounds, contenders, { warmUp: 0 });
    return Object.entries(others).map(
      ([other, theirs]) => ({ measure: name, unit: 'events/s', ours: own, theirs, ...OTHERS[other] }) as Comparison,
    );
  } finally {
    await source.stop();
    await databases.close();
    await redis.stop();
  }
}

export const ingest: Scenario = {
  name: 'ingest',
  about: 'B2: events a second from pages to a caught-up change log, against a tutorial and set-based SQL',
  async *run(options) {
    const dir = await mkdtemp(join(tmpdir(), 'bench-ingest-'));
    try {
      const histories = existsSync(HISTORY) ? [realHistory()] : [];
      if (histories.length === 0) options.say(`no real history at ${HISTORY} (BENCH_HISTORY=…): left out`);
      for (const events of [...histories, await company(dir, options.quick ? 500 : 100_000)]) {
        options.say(events.name);
        yield* await compare(events, options);
      }
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  },
};

/** One run of each size: a hundred thousand people take minutes. */
export const ingestGrowth: Scenario = {
  name: 'ingest-growth',
  about: 'B6 for B2: rate and peak memory at 100,000 users against 10,000',
  async *run({ quick, say }) {
    const dir = await mkdtemp(join(tmpdir(), 'bench-ingest-'));
    const redis = await startRedis();
    const databases = await openDatabases(COMPANY_CATALOG, say);
    const run = async (users: number) => {
      say(`${users} users`);
      const { file, lastEventId } = await company(dir, users);
      const source = await startSource(file, lastEventId);
      const url = await databases.create();
      try {
        return await runOurs(url, source, redis.url);
      } finally {
        await source.stop();
        await databases.drop(url);
        await rm(file);
      }
    };
    try {
      const [small, large] = quick ? [300, 1_000] : [10_000, 100_000];
      const [few, many] = [await run(small), await run(large)];
      const measure = `ours: ${large.toLocaleString('en')} users`;
      const other = `ours: ${small.toLocaleString('en')} users`;
      const rates = { ours: [many.eventsPerSecond], theirs: [few.eventsPerSecond], goal: { atLeast: 0.8 } };
      const peaks = { ours: [many.peakBytes / 2 ** 20], theirs: [few.peakBytes / 2 ** 20], goal: { atMost: 1.3 } };
      yield { measure, unit: 'events/s', other, ...rates };
      yield { measure, unit: 'MiB, peak', other, ...peaks };
    } finally {
      await databases.close();
      await redis.stop();
      await rm(dir, { recursive: true, force: true });
    }
  },
};
