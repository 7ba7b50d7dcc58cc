// A client that notes every raw statement that goes through it, with the plan that the server has for it and its parameters.
import type { Db, Tx } from '../../src/db/client.ts';

export interface WatchedStatement {
  sql: string;
  /** Tables that are read from end to end. */
  sequentialScans: string[];
  indexes: string[];
  sorts: number;
}

interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  Plans?: PlanNode[];
}

const nodesOf = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];

export function watch(db: Db): { db: Db; statements: WatchedStatement[] } {
  const statements: WatchedStatement[] = [];
  const note = async (on: Db | Tx, sql: string, params: readonly unknown[]): Promise<void> => {
    const [row] = await on.$queryRawUnsafe<{ 'QUERY PLAN': { Plan: PlanNode }[] }[]>(`EXPLAIN (FORMAT JSON) ${sql}`, ...params);
    const nodes = row?.['QUERY PLAN'].flatMap(({ Plan }) => nodesOf(Plan)) ?? [];
    statements.push({
      sql,
      sequentialScans: nodes.flatMap((node) => (node['Node Type'] === 'Seq Scan' ? [node['Relation Name'] ?? ''] : [])),
      indexes: nodes.flatMap((node) => node['Index Name'] ?? []),
      sorts: nodes.filter((node) => node['Node Type'].includes('Sort')).length,
    });
  };
  const watching = <T extends Db | Tx>(on: T): T =>
    new Proxy(on, {
      get(target, key) {
        // What is asked of a transaction besides: to end with what was sent, which is not yet sent here.
        if (typeof key === 'symbol') return undefined;
        const value: unknown = Reflect.get(target, key);
        if (key === '$queryRawUnsafe' || key === '$executeRawUnsafe') {
          return async (sql: string, ...params: unknown[]) => {
            // A setting has no plan.
            if (!sql.startsWith('SET ')) await note(target, sql, params);
            return target[key](sql, ...params);
          };
        }
        if (key === '$transaction') {
          return (work: (tx: Tx) => Promise<unknown>, options: object) => (target as Db).$transaction((tx) => work(watching(tx)), options);
        }
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  return { db: watching(db), statements };
}
