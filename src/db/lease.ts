// Who leads a job: one row each, with an epoch that every takeover raises. Only the clock of the database counts, so a wrong
// clock here alters nothing. Taking, renewing and releasing go over a connection of their own: a pool that is busy with the
// job must not cost its leader the lease.
//
// Fencing: every transaction of a leader begins with a look at the row, which it then holds FOR KEY SHARE until it ends.
//   - A leader whose lease has run out, or that was followed by another, fails there, however long it was frozen. The look is the first
//     statement and an error of the database, so what was sent along with it has no effect.
//   - A transaction that has passed goes on safely: a takeover alters the epoch, a key column, and passes by a row that is held.
//   - A leader that freezes inside transactions would hold up its successor: whoever wants an overdue lease has the server end the
//     sessions under it, which are called by job and epoch. One that nobody follows loses them by itself after a while, so
//     that what else they hold is free.
// So transactions of two leaders of one job never overlap, and those of the older one all come first.
import pg from 'pg';
import type { Logger } from '../log.ts';
import type { Db, Tx } from './client.ts';
import { commitAlong } from './raw-transaction.ts';
import { together } from './together.ts';
import { sqlStateOf } from './transaction.ts';

export interface Lease {
  job: string;
  holder: string;
  epoch: bigint;
}

export interface Leases {
  /** null: another process has it. */
  take(job: string, holder: string, ttlMs: number): Promise<Lease | null>;
  /** false: it is lost for good. */
  renew(lease: Lease, ttlMs: number): Promise<boolean>;
  /** Whoever wants it can have it at once. */
  release(lease: Lease): Promise<void>;
  close(): Promise<void>;
}

/** Thrown inside a transaction of a leader that is none any more; nothing of the transaction stays. */
export class LeaseLostError extends Error {
  override readonly name = 'LeaseLostError';
}

const ANSWER_TIMEOUT_MS = 3_000;
/** For transactions that had begun when the lease ran out. */
const GRACE_MS = 3_000;
/** Of a session, inside a transaction under a lease. */
const SESSION_NAME = "'access-service ' || job || ' ' || epoch";

// By primary key. A row that is held by a running transaction of the last leader is left alone; `held` is its epoch, when that has
// had its time.
const TAKE = `
  WITH free AS (SELECT job FROM lease WHERE job = $1 AND expires_at <= clock_timestamp() FOR UPDATE SKIP LOCKED),
  taken AS (
    UPDATE lease SET holder = $2, epoch = epoch + 1, taken_at = clock_timestamp(), expires_at = clock_timestamp() + $3 * interval '1 millisecond' FROM free WHERE lease.job = free.job
    RETURNING epoch
  ), first AS (
    INSERT INTO lease (job, holder, epoch, expires_at)
    SELECT $1, $2, 1, clock_timestamp() + $3 * interval '1 millisecond' WHERE NOT EXISTS (SELECT 1 FROM lease WHERE job = $1)
    ON CONFLICT DO NOTHING RETURNING epoch
  )
  SELECT epoch, false AS held FROM taken UNION ALL SELECT epoch, false FROM first UNION ALL
  SELECT epoch, true FROM lease WHERE job = $1 AND expires_at <= clock_timestamp() - interval '${GRACE_MS} milliseconds' AND NOT EXISTS (SELECT 1 FROM taken)`;

// A scan of what is connected; asked only about a lease that is overdue and held.
const EVICT = `
  SELECT pg_terminate_backend(pid) FROM pg_stat_activity, (SELECT ${SESSION_NAME} AS name FROM lease WHERE job = $1 AND epoch = $2) overdue
  WHERE datname = current_database() AND application_name = overdue.name`;

const RENEW = `
  UPDATE lease SET expires_at = clock_timestamp() + $3 * interval '1 millisecond' WHERE job = $1 AND epoch = $2 AND expires_at > clock_timestamp()`;

const RELEASE = 'UPDATE lease SET expires_at = clock_timestamp() WHERE job = $1 AND epoch = $2 AND expires_at > clock_timestamp()';

export function openLeases({ url, log }: { url: string; log: Logger }): Leases {
  const pool = new pg.Pool({
    connectionString: url,
    max: 1,
    connectionTimeoutMillis: ANSWER_TIMEOUT_MS,
    statement_timeout: ANSWER_TIMEOUT_MS,
    // A frozen server keeps no time.
    query_timeout: ANSWER_TIMEOUT_MS,
    keepAlive: true,
    application_name: 'access-service leases',
  });
  pool.on('error', (error) => log.debug({ err: error.message }, 'the connection for leases was lost'));
  return {
    async take(job, holder, ttlMs) {
      const [row] = (await pool.query<{ epoch: string; held: boolean }>(TAKE, [job, holder, ttlMs])).rows;
      if (!row?.held) return row ? { job, holder, epoch: BigInt(row.epoch) } : null;
      const { rowCount } = await pool.query(EVICT, [job, row.epoch]);
      log.warn({ job, epoch: row.epoch, sessions: rowCount }, 'a leader left transactions open beyond its lease: they were ended');
      return null;
    },
    renew: async ({ job, epoch }, ttlMs) => (await pool.query(RENEW, [job, String(epoch), ttlMs])).rowCount === 1,
    release: async ({ job, epoch }) => void (await pool.query(RELEASE, [job, String(epoch)])),
    close: () => pool.end(),
  };
}

/** How long a leader may leave a transaction alone; less than that is a busy process, more is a frozen one. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 10_000;

// By primary key. The name and the short leash are for this transaction only. Where the lease is lost it is an error of the database, of
// a text that is no number, so that whatever was sent along with it fails too. The time in it keeps the planner from reading it.
const ASSERT = `/* prepared: assert_lease */
  WITH held AS MATERIALIZED (
    SELECT set_config('application_name', ${SESSION_NAME}, true), set_config('idle_in_transaction_session_timeout', '${IDLE_IN_TRANSACTION_TIMEOUT_MS}', true)
    FROM lease WHERE job = $1 AND epoch = $2 AND expires_at > clock_timestamp() FOR KEY SHARE
  )
  SELECT CASE WHEN EXISTS (SELECT FROM held) THEN 1 ELSE ('lost at ' || now()::text)::int END AS held`;
const NOT_A_NUMBER = '22P02';

export async function assertLease(tx: Tx, { job, epoch }: Lease): Promise<void> {
  await tx.$queryRawUnsafe(ASSERT, job, epoch).catch((error: unknown) => {
    throw sqlStateOf(error) === NOT_A_NUMBER
      ? new LeaseLostError(`the lease of "${job}" (epoch ${epoch}) is lost`, { cause: error })
      : error;
  });
}

export type Fenced = (db: Db, lease: Lease, onLost: () => void) => Db;

/** Statements that write, and some that only say so (FOR UPDATE): a look too many costs nothing. */
const WRITES = /\b(INSERT|UPDATE|DELETE)\b/i;
const WRITING_METHOD = /^(create|update|upsert|delete)/;

const SINGLE = { timeout: 60_000, rawOnly: true };

/** Committed with it, so that what it locks is free again at once. */
function single<T>(answer: Promise<T>, tx: Tx): Promise<T> {
  commitAlong(tx);
  return answer;
}

type Work = (tx: Tx) => Promise<unknown>;
type Methods = Record<string, (...args: unknown[]) => Promise<unknown>>;

/** The database as a leader may use it: every transaction, and every write outside of one, checks the lease. Reads do not. */
export const fenced: Fenced = (db, lease, onLost) => {
  const check = async (tx: Tx): Promise<void> => {
    try {
      await assertLease(tx, lease);
    } catch (error) {
      if (error instanceof LeaseLostError) onLost();
      throw error;
    }
  };
  const transaction = (work: Work, options?: object): Promise<unknown> =>
    db.$transaction(async (tx) => {
      // What the work asks first travels along, and fails with it.
      const [, result] = await together(check(tx), work(tx));
      return result;
    }, options);
  const raw =
    (method: '$executeRawUnsafe' | '$queryRawUnsafe') =>
    (sql: string, ...params: unknown[]): Promise<unknown> =>
      WRITES.test(sql) ? transaction((tx) => single(tx[method](sql, ...params), tx), SINGLE) : db[method](sql, ...params);
  const model = (name: string, delegate: object): object =>
    new Proxy(delegate, {
      get(target, method) {
        if (typeof method !== 'string' || !WRITING_METHOD.test(method)) return Reflect.get(target, method);
        return (...args: unknown[]) => transaction(async (tx) => (tx as unknown as Record<string, Methods>)[name]?.[method]?.(...args));
      },
    });
  return new Proxy(db, {
    get(target, key) {
      if (key === '$transaction') return transaction;
      if (key === '$executeRawUnsafe' || key === '$queryRawUnsafe') return raw(key);
      const value: unknown = Reflect.get(target, key);
      if (typeof value === 'function') return value.bind(target);
      return typeof key === 'string' && !key.startsWith('$') && value instanceof Object && 'findMany' in value ? model(key, value) : value;
    },
  });
};
