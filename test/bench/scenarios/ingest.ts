// B2: events from the pages of WorkOS to a change log that has caught up: a real history, and a company that is provisioned for the
// first time. Ours is the real binary's `work`, with Redis, every defence on, on the servers' core; the source, Postgres with fsync
// and Redis have the other one. Against the limit (set-based SQL of the same rows, in batches as large as ours), a tutorial's
// handler (one transaction of Prisma's per event, entitlements left out) and @boxyhq/saml-jackson (the people of the company as
// SCIM requests, without HTTP): these two are asked for a rate, and work for some seconds.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { CatalogInput } from '../../../src/entitlements/catalog-plan.ts';
import { startRedis } from '../../support/redis.ts';
import { COMPANY_CATALOG } from '../ingest-company.ts';
import { type IngestRun, runOurs, runPeer } from '../ingest-runs.ts';
import { type EventSource, openDatabases, startCompany, startHistory } from '../ingest-source.ts';
import { alternate, type BenchOptions, type Comparison, type Scenario } from '../scenario.ts';

const HISTORY = process.env.BENCH_HISTORY ?? fileURLToPath(new URL('../../../../shared/real-history', import.meta.url));
/** As src/apply/apply-batch.ts. */
const BATCH = '1000';
const SLOW_PEER_SECONDS = { quick: '1', full: '5' };
/** Of each: with two, five rounds of 100,000 would take a quarter of an hour. */
const MEMBERSHIPS = 1;

interface Events {
  name: string;
  start(): Promise<EventSource>;
  catalog: CatalogInput;
}

function realHistory(): Events {
  const file = join(HISTORY, 'events.jsonl.gz');
  const last = gunzipSync(readFileSync(file)).toString('utf8').trim().split('\n').at(-1) ?? '{}';
  const { id } = JSON.parse(last) as { id: string };
  const catalog = JSON.parse(readFileSync(join(HISTORY, 'catalog.json'), 'utf8')) as CatalogInput;
  return { name: 'real history', start: () => startHistory(file, id), catalog };
}

const usersText = (users: number): string => `${users.toLocaleString('en')} users`;

const company = (users: number): Events => ({
  name: `${usersText(users)} provisioned`,
  start: () => startCompany({ users, memberships: MEMBERSHIPS }),
  catalog: COMPANY_CATALOG,
});

const OTHERS: Readonly<Record<string, Pick<Comparison, 'other' | 'goal'>>> = {
  limit: { other: 'limit: set-based SQL of the same rows', goal: { atLeast: 0.4 } },
  tutorial: { other: 'tutorial: a Prisma transaction per event', goal: { atLeast: 10 } },
  scim: { other: '@boxyhq/saml-jackson, directory sync' },
};

async function compare({ name, start, catalog }: Events, { rounds, quick, say }: BenchOptions): Promise<Comparison[]> {
  const redis = await startRedis();
  const databases = await openDatabases(catalog, say);
  const source = await start();
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
  about: 'events a second from pages to a caught-up change log, against a tutorial and set-based SQL',
  async *run(options) {
    const histories = existsSync(HISTORY) ? [realHistory()] : [];
    if (histories.length === 0) options.say(`no real history at ${HISTORY} (BENCH_HISTORY=…): left out`);
    for (const events of [...histories, company(options.quick ? 500 : 100_000)]) {
      options.say(events.name);
      yield* await compare(events, options);
    }
  },
};

const SIZES = [10_000, 100_000, 1_000_000];
/** Too few for the figures to mean anything. */
const QUICK_SIZES = [300, 1_000];
/** Against the smallest: what is linear keeps its rate, and its memory. */
const GROWTH_GOALS = { rate: { atLeast: 0.8 }, peak: { atMost: 1.3 } };

/** One run of each size: a million people take minutes, and some GB of disk until they are dropped. */
export const ingestGrowth: Scenario = {
  name: 'ingest-growth',
  about: 'rate and peak memory of 10,000, 100,000 and 1,000,000 users',
  timeLimitSeconds: 1_800,
  async *run({ quick, say }) {
    const redis = await startRedis();
    const databases = await openDatabases(COMPANY_CATALOG, say);
    const run = async (users: number): Promise<IngestRun> => {
      const source = await company(users).start();
      const url = await databases.create();
      try {
        const measured = await runOurs(url, source, redis.url);
        const { seconds, eventsPerSecond, peakBytes, databaseBytes } = measured;
        say(
          `${usersText(users)}: ${seconds.toFixed(0)} s, ${eventsPerSecond.toFixed(0)} events/s, peak ${mebi(peakBytes).toFixed(0)} MiB, database ${mebi(databaseBytes).toFixed(0)} MiB`,
        );
        return measured;
      } finally {
        await source.stop();
        await databases.drop(url);
      }
    };
    const [smallest = 0, ...larger] = quick ? QUICK_SIZES : SIZES;
    try {
      const least = await run(smallest);
      for (const users of larger) {
        const measured = await run(users);
        const names = { measure: `ours: ${usersText(users)}`, other: `ours: ${usersText(smallest)}` };
        const figures = (of: (run: IngestRun) => number) => ({ ours: [of(measured)], theirs: [of(least)] });
        yield { ...names, unit: 'events/s', ...figures((run) => run.eventsPerSecond), goal: GROWTH_GOALS.rate };
        yield { ...names, unit: 'MiB, peak', ...figures((run) => mebi(run.peakBytes)), goal: GROWTH_GOALS.peak };
      }
    } finally {
      await databases.close();
      await redis.stop();
    }
  },
};

const mebi = (bytes: number): number => bytes / 2 ** 20;
