// Raw statements straight on the driver, over the pool and the transactions of the Prisma client: the same SQL, the same values,
// without Prisma's engine in between, whose way for a few hundred rows costs more than Postgres takes to find them. Beginning,
// end, time-outs and retries of transactions stay Prisma's, and so does everything that is no raw statement.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { Prisma, type PrismaClient } from '../../prisma/generated/client/client.ts';
import { rawTransaction, transactionClosed } from './raw-transaction.ts';
import { inSpan } from './statement-span.ts';

/** The connection under a transaction of Prisma's. */
interface Session {
  client: pg.ClientBase | undefined;
  /** Committed or rolled back, or about to be: the connection may be another's by now. */
  ended: boolean;
}

type Tx = Prisma.TransactionClient;
type Statement = Pick<pg.ClientBase, 'query'>;
type RawMethods = Pick<Tx, '$queryRawUnsafe' | '$executeRawUnsafe'>;

/** By type id; the rest as the driver has it. What comes out is what Prisma makes of the same column. */
const PARSERS: Readonly<Record<number, (text: string) => unknown>> = {
  20: BigInt,
  26: BigInt,
  1009: textArray,
  1082: (text) => new Date(text),
  // "2026-01-02 03:04:05.678+00": every session is in UTC.
  1184: (text) => new Date(`${text.slice(0, 10)}T${text.slice(11, -3)}Z`),
  1700: (text) => new Prisma.Decimal(text),
};

const parseArray = (pg.types.getTypeParser as (id: number, format: 'text') => unknown)(1009, 'text') as (text: string) => (string | null)[];

function textArray(text: string): (string | null)[] {
  if (text === '{}') return [];
  return /["\\]|NULL/.test(text) ? parseArray(text) : text.slice(1, -1).split(',');
}

const types = {
  getTypeParser: (id: number, format?: 'text' | 'binary') => PARSERS[id] ?? pg.types.getTypeParser(id, format as 'text'),
} as unknown as pg.CustomTypesConfig;

/** Postgres reads JSON where it wants it; the driver would take a list for one of its own. */
const toValue = (param: unknown): unknown => (typeof param === 'bigint' ? String(param) : param);

/** The beginning of a statement that is taken apart and planned once per connection, under that name, and not every time. */
const PREPARED = /^\/\* prepared: (\w+) \*\//;

const rawMethods = (statement: () => Statement): RawMethods => {
  const run = (text: string, params: unknown[]): Promise<pg.QueryResult> => {
    const name = PREPARED.exec(text)?.[1];
    return inSpan(name ?? text, () => statement().query({ ...(name && { name }), text, values: params.map(toValue), types }));
  };
  return {
    $queryRawUnsafe: async (text: string, ...params: unknown[]) => (await run(text, params)).rows,
    $executeRawUnsafe: async (text: string, ...params: unknown[]) => (await run(text, params)).rowCount ?? 0,
  } as unknown as RawMethods;
};

/** As Prisma spells it. */
const END = /^\s*(COMMIT|ROLLBACK)\s*;?\s*$/i;

export interface DirectOptions {
  /** See raw-transaction.ts. */
  rawOnly?: boolean;
  timeout: number;
}

export interface Direct {
  /** In place of `factory`, for the client that `wrap` takes. */
  factory: PrismaPg;
  wrap(db: PrismaClient): PrismaClient;
}

export function directStatements(pool: pg.Pool, factory: PrismaPg): Direct {
  /** Prisma asks its adapter for a connection where the transaction was asked for. */
  const beginning = new AsyncLocalStorage<Session>();

  const noting = Object.create(factory) as PrismaPg;
  noting.connect = async () => {
    const adapter = await factory.connect();
    const start = adapter.startTransaction.bind(adapter);
    adapter.startTransaction = async (isolation) => {
      const session = beginning.getStore();
      const begun = await start(isolation);
      if (!session) return begun;
      // A field of the adapter's own class; without it statements would go nowhere, and the first test would say so.
      session.client = (begun as unknown as { client: pg.ClientBase }).client;
      // From the moment at which the end is asked for: a statement that comes after it on the same connection is in no transaction.
      const execute = begun.executeRaw.bind(begun);
      begun.executeRaw = (query) => {
        if (END.test(query.sql)) session.ended = true;
        return execute(query);
      };
      for (const end of ['commit', 'rollback'] as const) {
        const original = begun[end].bind(begun);
        begun[end] = () => {
          session.ended = true;
          return original();
        };
      }
      return begun;
    };
    return adapter;
  };

  const withRaw = <T extends object>(target: T, raw: Partial<Record<string | symbol, unknown>>): T =>
    new Proxy(target, {
      get(inner, key) {
        if (Object.hasOwn(raw, key)) return raw[key];
        const value: unknown = Reflect.get(inner, key);
        return typeof value === 'function' ? value.bind(inner) : value;
      },
    });

  return {
    factory: noting,
    wrap(db) {
      const transaction = (work: unknown, options?: DirectOptions): Promise<unknown> => {
        if (typeof work !== 'function') throw new Error('a list of statements cannot be a transaction here: pass a function');
        if (options?.rawOnly) return rawTransaction(pool, rawMethods, work as (tx: Tx) => Promise<unknown>, options.timeout);
        const session: Session = { client: undefined, ended: false };
        const raw = rawMethods(() => {
          if (session.client && !session.ended) return session.client;
          throw transactionClosed();
        });
        const run = async (tx: Tx): Promise<unknown> => beginning.exit(() => work(withRaw(tx, raw)));
        return beginning.run(session, () => db.$transaction(run, options));
      };
      return withRaw(db, { ...rawMethods(() => pool), $transaction: transaction });
    },
  };
}
