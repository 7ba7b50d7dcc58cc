// One process per job, elected by a lease (db/lease.ts): `run` works as long as this process leads, under a signal that aborts
// the moment it does not, or is to stop. Never throws, so that no promise floats.
//
// Takeover: at once after a release (a stop releases when `run` has ended), else when the lease has run out.
import type { Db } from '../db/client.ts';
import { type Fenced, fenced as fencedByLease, type Lease, type Leases } from '../db/lease.ts';
import { messageOf } from '../errors.ts';
import { backoffMs } from '../lib/backoff.ts';
import { sleep } from '../lib/sleep.ts';
import type { Logger } from '../log.ts';

/** What a leader works with, for as long as it leads. */
export interface Term {
  /** Fails every transaction of a leader that is none any more. */
  db: Db;
  signal: AbortSignal;
}

export interface LeaderDeps {
  db: Db;
  leases: Leases;
  /** Names this process. */
  holder: string;
  log: Logger;
  /** Another one switches the check off: tests show what it is good for. */
  fenced?: Fenced | undefined;
  ttlMs?: number | undefined;
  renewEveryMs?: number;
  retryEveryMs?: number;
}

export async function runAsLeader(
  { db, leases, holder, log, fenced = fencedByLease, ttlMs = 6_000, renewEveryMs = 2_000, retryEveryMs = 1_000 }: LeaderDeps,
  job: string,
  signal: AbortSignal,
  run: (term: Term) => Promise<void>,
): Promise<void> {
  let failures = 0;

  /** Until `done`. Counts by this process' own watch, since before each request: a lease that may have run out is given up. */
  async function keep(lease: Lease, lose: (why: string) => void, done: AbortSignal): Promise<void> {
    const expire = () => lose('it could not be renewed in time');
    let timer = setTimeout(expire, ttlMs);
    while (!done.aborted) {
      await sleep(renewEveryMs, done);
      if (done.aborted) break;
      const next = setTimeout(expire, ttlMs);
      const kept = await leases.renew(lease, ttlMs).catch(() => undefined);
      clearTimeout(kept ? timer : next);
      if (kept) timer = next;
      if (kept === false) lose('another process has taken over, or it ran out');
    }
    clearTimeout(timer);
  }

  async function lead(lease: Lease): Promise<void> {
    const lost = new AbortController();
    const done = new AbortController();
    const lose = (why: string): void => {
      if (lost.signal.aborted || done.signal.aborted) return;
      log.warn({ job, epoch: String(lease.epoch), why }, 'the lease of a job is lost');
      lost.abort();
    };
    const keeping = keep(lease, lose, done.signal);
    const term: Term = {
      db: fenced(db, lease, () => lose('a transaction found it so')),
      signal: AbortSignal.any([signal, lost.signal]),
    };
    try {
      await run(term);
      failures = 0;
    } catch (error) {
      failures += 1;
      log.error({ job, err: error }, 'a job ended by itself');
    }
    done.abort();
    await keeping;
    if (lost.signal.aborted) return;
    await leases.release(lease).catch((error: unknown) => log.warn({ job, err: messageOf(error) }, 'the lease could not be released'));
  }

  while (!signal.aborted) {
    const lease = await leases.take(job, holder, ttlMs).catch((error: unknown) => {
      log.debug({ job, err: messageOf(error) }, 'the lease cannot be asked for');
      return null;
    });
    if (lease) {
      log.info({ job, epoch: String(lease.epoch), holder }, 'leads');
      await lead(lease);
      await sleep(failures > 0 ? backoffMs(failures, { minMs: 500, maxMs: 10_000 }) : 0, signal);
    } else {
      await sleep(retryEveryMs / 2 + (Math.random() * retryEveryMs) / 2, signal);
    }
  }
}
