// The change log in memory, behind the two statements that readers use: for tests that must decide when a statement takes
// its snapshot and when its answer arrives.
import { HEAD_SQL } from '../../src/changes/head.ts';
import { changeMatcher } from '../../src/changes/match.ts';
import { PAGE_SQL } from '../../src/changes/read-after.ts';
import type { Db } from '../../src/db/client.ts';
import type { AccessChange, RecordedChange } from '../../src/model/change.ts';
import { recorded } from './changes.ts';

export interface FakeLog {
  db: Db;
  changes: RecordedChange[];
  commit(...changes: AccessChange[]): RecordedChange[];
}

/** `gate` is awaited before the snapshot of every statement and again before its answer; it may reject. */
export function createFakeLog(gate: (point: 'snapshot' | 'answer') => Promise<unknown>): FakeLog {
  const changes: RecordedChange[] = [];

  function head(): unknown[] {
    return [{ logId: 'fake', position: BigInt(changes.length), relayedPosition: 0n, keptAfter: 0n }];
  }

  function page([after, upTo, tenant, organizationId, userIds, directoryId, permissions, roles, scan, limit]: unknown[]): unknown[] {
    const end = BigInt(Math.min(changes.length, Number(upTo)));
    const matches = changeMatcher(
      { organizationId, userIds, directoryId, permissions, roles } as Parameters<typeof changeMatcher>[0],
      tenant as string | null,
    );
    const scanned = changes.slice(Number(after), Number(end)).slice(0, scan as number);
    const facts = { end, lookedTo: end, keptAfter: 0n, scannedRows: scanned.length, scannedLast: scanned.at(-1)?.position ?? null };
    const rows = scanned.filter(matches).slice(0, limit as number);
    return rows.length > 0 ? rows.map(({ cause, ...change }) => ({ ...facts, ...change, ...cause })) : [{ ...facts, position: null }];
  }

  const $queryRawUnsafe = async (sql: string, ...parameters: unknown[]) => {
    await gate('snapshot');
    const rows = sql === HEAD_SQL ? head() : sql === PAGE_SQL ? page(parameters) : [];
    await gate('answer');
    return rows;
  };

  return {
    db: { $queryRawUnsafe } as unknown as Db,
    changes,
    commit(...added) {
      const rows = added.map((change, index) => recorded(BigInt(changes.length + index + 1), change));
      changes.push(...rows);
      return rows;
    },
  };
}
