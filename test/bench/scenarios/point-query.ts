// B1: who may do what, and may they do this: random users, 32 keep-alive connections. Ours: the real binary in production mode,
// callers with keys that are bound to the user's organization, limits as they are but for their rates. Peers answer anybody.

import { startRedis } from '../../support/redis.ts';
import { postGraphql } from '../../support/service-process.ts';
import { withClient } from '../bench-postgres.ts';
import { openDataset } from '../dataset.ts';
import { proveFreshness } from '../freshness-proof.ts';
import { BOUND_MS } from '../freshness-verdict.ts';
import { type Load, type Round, startLoad } from '../load.ts';
import { askOf, type Kind } from '../point-asks.ts';
import { makeCallers, QUERIES, verifyAnswers } from '../point-questions.ts';
import { alternate, type BenchOptions, type Comparison, type Scenario } from '../scenario.ts';
import { type StreamServer, startOurs, startPeer } from '../stream-servers.ts';

type Name = 'ours' | 'mercurius' | 'postgraphile' | 'tutorial' | 'bare';

const OTHERS: Record<Exclude<Name, 'ours'>, string> = {
  mercurius: 'mercurius, JIT',
  postgraphile: 'PostGraphile 5',
  tutorial: 'Yoga, Pothos, Prisma include',
  bare: 'limit: node:http, same bytes',
};
const GOALS: Record<Exclude<Name, 'ours'>, number> = { mercurius: 1.5, postgraphile: 10, tutorial: 10, bare: 0.5 };
const MEASURES: Record<Kind, string> = { entitlements: 'effectiveEntitlements', check: 'checkAccess' };

/** PostGraphile makes no decision: it shows the row, and who asks decides. */
const CONTENDERS: Record<Kind, Partial<Record<Name, keyof typeof QUERIES>>> = {
  entitlements: {
    ours: 'entitlements',
    mercurius: 'entitlements',
    postgraphile: 'row',
    tutorial: 'bareEntitlements',
    bare: 'entitlements',
  },
  check: { ours: 'check', mercurius: 'check', postgraphile: 'row', tutorial: 'bareCheck', bare: 'check' },
};

/** Until most users have been asked about: the caches of the database, and ours, are to be as they are in the long run. */
const WARM_UP_SECONDS = 16;

async function* run({ quick, rounds, say }: BenchOptions): AsyncGenerator<Comparison> {
  const users = quick ? 10_000 : 100_000;
  const seconds = quick ? 1 : 4;
  const warmUpSeconds = quick ? 2 : WARM_UP_SECONDS;
  const redis = await startRedis();
  const dataset = await openDataset({ users, say });
  const load = startLoad();
  const servers: StreamServer[] = [];
  const keep = async (server: Promise<StreamServer>): Promise<StreamServer> => {
    servers.push(await server);
    return server;
  };
  try {
    const env = { DATABASE_URL: dataset.url };
    const ours = await keep(startOurs('serve', { ...env, REDIS_URL: redis.url }));
    const authorizations = await makeCallers(ours.url);
    const shared = {
      ours,
      mercurius: await keep(startPeer('mercurius.js', env)),
      postgraphile: await keep(startPeer('postgraphile.js', env)),
      tutorial: await keep(startPeer('../../tutorial/point-query.ts', env)),
    };
    for (const kind of ['entitlements', 'check'] as const) {
      say(`${MEASURES[kind]}: preparing`);
      const { variables, caller } = askOf(0, kind);
      const sample = await postGraphql(ours.url, authorizations[caller]?.replace('Bearer ', '') ?? null, QUERIES[kind], variables);
      const bare = await keep(startPeer('bare.js', { ANSWER: JSON.stringify(sample) }));
      const byName: Record<Name, StreamServer> = { ...shared, bare };
      const contenders = Object.entries(CONTENDERS[kind]) as [Name, keyof typeof QUERIES][];
      for (const [name, query] of contenders) {
        const server = byName[name];
        const callers = name === 'ours' ? authorizations : [];
        if (name !== 'bare')
          await withClient(dataset.url, (client) => verifyAnswers(client, { name, server, query, authorizations: callers, users }));
        await load.prepare(`${kind} ${name}`, { url: server.url, query: QUERIES[query], authorizations: callers, users, kind });
      }
      say(`${MEASURES[kind]}: rounds`);
      const names = contenders.map(([name]) => name);
      yield* await measure(load, kind, names, { rounds, seconds, warmUpSeconds });
    }
    say('revocations under load');
    const ages = await proveFreshness({
      url: ours.url,
      authorizations,
      databaseUrl: dataset.url,
      redisUrl: redis.url,
      load: (loadSeconds) => load.run('entitlements ours', loadSeconds),
    });
    yield oldest(ages);
  } finally {
    await load.stop();
    for (const server of servers) await server.stop();
    await dataset.close();
    await redis.stop();
  }
}

async function measure(
  load: Load,
  kind: Kind,
  names: readonly Name[],
  { rounds, seconds, warmUpSeconds }: { rounds: number; seconds: number; warmUpSeconds: number },
): Promise<Comparison[]> {
  const all = new Map(names.map((name) => [name, [] as Round[]]));
  const contend = (name: Name) => async (): Promise<number> => {
    const isFirst = all.get(name)?.length === 0;
    const round = await load.run(`${kind} ${name}`, isFirst ? warmUpSeconds : seconds);
    all.get(name)?.push(round);
    return round.answersPerSecond;
  };
  const rates = await alternate(
    rounds,
    Object.fromEntries(names.map((name) => [name, contend(name)])) as Record<Name, () => Promise<number>>,
  );
  /** Without the round that warms up. */
  const latency = (name: Name, of: (round: Round) => number): number[] => (all.get(name) ?? []).slice(1).map(of);
  const measure = MEASURES[kind];
  return [
    ...names.flatMap((name): Comparison[] =>
      name === 'ours'
        ? []
        : [{ measure, unit: 'answers/s', ours: rates.ours, other: OTHERS[name], theirs: rates[name], goal: { atLeast: GOALS[name] } }],
    ),
    ...(['p50', 'p99'] as const).map((rank): Comparison => {
      const of = (round: Round): number => (rank === 'p50' ? round.p50Ms : round.p99Ms);
      return {
        measure: `${measure}, ${rank}`,
        unit: 'ms',
        ours: latency('ours', of),
        other: OTHERS.mercurius,
        theirs: latency('mercurius', of),
      };
    }),
  ];
}

const oldest = (ages: readonly number[]): Comparison => ({
  measure: 'a revocation that is still granted',
  unit: 'ms after commit, at most',
  ours: [Math.max(...ages)],
  other: 'the bound of I7',
  theirs: [BOUND_MS],
  goal: { atMost: 1 },
});

export const pointQuery: Scenario = {
  name: 'point-query',
  about: "one user's access, and one decision, for random users over HTTP",
  run,
};
