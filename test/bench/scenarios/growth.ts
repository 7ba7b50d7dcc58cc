// B6: whether an answer costs more when there are more users: the same questions to three servers over three databases, in turn.
import { startRedis } from '../../support/redis.ts';
import { withClient } from '../bench-postgres.ts';
import { type Dataset, openDataset } from '../dataset.ts';
import { type Round, startLoad } from '../load.ts';
import { makeCallers, QUERIES, verifyAnswers } from '../point-questions.ts';
import { alternate, type BenchOptions, type Comparison, type Scenario } from '../scenario.ts';
import { type StreamServer, startOurs } from '../stream-servers.ts';

const SIZES = [10_000, 100_000, 1_000_000];
const QUICK_SIZES = [2_000, 10_000, 20_000];
const AT_MOST = 1.3;
/** After every user was asked about once: the caches of the database, and ours, are to be as they are in the long run. */
const WARM_UP_SECONDS = 5;

async function* run({ quick, rounds, say }: BenchOptions): AsyncGenerator<Comparison> {
  const sizes = quick ? QUICK_SIZES : SIZES;
  const seconds = quick ? 1 : 4;
  const redis = await startRedis();
  const load = startLoad();
  const datasets: Dataset[] = [];
  const servers: StreamServer[] = [];
  try {
    for (const users of sizes) {
      const dataset = await openDataset({ users, say });
      datasets.push(dataset);
      const ours = await startOurs('serve', { DATABASE_URL: dataset.url, REDIS_URL: redis.url });
      servers.push(ours);
      const authorizations = await makeCallers(ours.url);
      const question = { query: 'entitlements', authorizations, users } as const;
      await withClient(dataset.url, (client) => verifyAnswers(client, { name: 'ours', server: ours, ...question }));
      await load.prepare(nameOf(users), { ...question, url: ours.url, query: QUERIES.entitlements, kind: 'entitlements' });
      say(`asking about each of ${nameOf(users)}`);
      await load.askAll(nameOf(users));
      if (!quick) await load.run(nameOf(users), WARM_UP_SECONDS);
    }
    say('rounds');
    const all = new Map(sizes.map((users) => [users, [] as Round[]]));
    const contend = (users: number) => async (): Promise<number> => {
      const round = await load.run(nameOf(users), seconds);
      all.get(users)?.push(round);
      return round.p50Ms;
    };
    await alternate(rounds, Object.fromEntries(sizes.map((users) => [nameOf(users), contend(users)])));
    /** Without the round that warms up. */
    const values = (users: number, of: (round: Round) => number): number[] => (all.get(users) ?? []).slice(1).map(of);
    const [smallest = 0, ...larger] = sizes;
    yield* larger.flatMap((users): Comparison[] => {
      const other = { other: nameOf(smallest) };
      const p50 = ({ p50Ms }: Round): number => p50Ms;
      const rate = ({ answersPerSecond }: Round): number => answersPerSecond;
      const isLargest = users === sizes.at(-1);
      return [
        {
          measure: `effectiveEntitlements, p50, ${nameOf(users)}`,
          unit: 'ms',
          ours: values(users, p50),
          theirs: values(smallest, p50),
          ...other,
          ...(isLargest && { goal: { atMost: AT_MOST } }),
        },
        {
          measure: `effectiveEntitlements, ${nameOf(users)}`,
          unit: 'answers/s',
          ours: values(users, rate),
          theirs: values(smallest, rate),
          ...other,
        },
      ];
    });
  } finally {
    await load.stop();
    for (const server of servers) await server.stop();
    for (const dataset of datasets) await dataset.close();
    await redis.stop();
  }
}

const nameOf = (users: number): string => `${users.toLocaleString('en')} users`;

export const growth: Scenario = {
  name: 'growth',
  about: 'point queries of 10,000, 100,000 and 1,000,000 users',
  timeLimitSeconds: 1_200,
  run,
};
