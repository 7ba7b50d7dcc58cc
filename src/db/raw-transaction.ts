// Transactions of raw statements only, straight on the driver: BEGIN travels with the first statements, and COMMIT with the last
// ones where nothing is to be decided after them. Two round trips less than Prisma's, and nothing of its engine.
import type pg from 'pg';
import type { Prisma } from '../../prisma/generated/client/client.ts';
import { inSpan } from './statement-span.ts';
import { together } from './together.ts';

type Tx = Prisma.TransactionClient;
type RawMethods = Pick<Tx, '$queryRawUnsafe' | '$executeRawUnsafe'>;

const COMMIT_ALONG = Symbol('commit along');

interface RawTx extends RawMethods {
  [COMMIT_ALONG](): void;
}

/**
 * All statements were sent, and if they succeed nothing speaks against their commit: it is sent after them. Where the
 * transaction is none of raw statements, it is committed when its work is done, as ever.
 */
export const commitAlong = (tx: Tx): void => (tx as Partial<RawTx>)[COMMIT_ALONG]?.();

/** As Prisma calls it: it may succeed when tried again with less. */
export const transactionClosed = (): Error =>
  Object.assign(new Error('Transaction already closed: it took too long, or its work went on after its end.'), { code: 'P2028' });

export async function rawTransaction<T>(
  pool: pg.Pool,
  methodsOf: (client: () => pg.ClientBase) => RawMethods,
  work: (tx: Tx) => Promise<T>,
  timeoutMs: number,
): Promise<T> {
  const client = await pool.connect();
  // Lost while it is in use: the statement fails, and says why; the pool takes it back no more. Unheard it would end the process.
  const hear = (): void => {};
  client.on('error', hear);
  let ending: Promise<pg.QueryResult> | undefined;
  const end = (how: 'COMMIT' | 'ROLLBACK'): Promise<pg.QueryResult> => {
    ending ??= inSpan(how, () => client.query(how));
    // Heard below, when the work is done.
    ending.catch(() => {});
    return ending;
  };
  const methods = methodsOf(() => {
    if (ending) throw transactionClosed();
    return client;
  });
  const timer = setTimeout(() => end('ROLLBACK'), timeoutMs);
  try {
    const tx: RawTx = { ...methods, [COMMIT_ALONG]: () => void end('COMMIT') };
    const [, result] = await together(client.query('BEGIN'), work(tx as unknown as Tx));
    // After a failed statement, and after too long, it is rolled back.
    if ((await end('COMMIT')).command !== 'COMMIT') throw transactionClosed();
    return result;
  } catch (error) {
    await end('ROLLBACK').catch(() => {});
    throw error;
  } finally {
    clearTimeout(timer);
    client.off('error', hear);
    client.release();
  }
}
