// The database of a test file: opened before its first test, closed after its last.
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { type CoreDatabase, emptyTables, openCoreDatabase } from './core-database.ts';
import { found } from './small-company.ts';

/** To be called at the top of the file. `each`: what a test finds; without it, what those before it left behind. */
export function useCoreDatabase({
  poolSize,
  alone,
  each,
}: {
  poolSize?: number;
  /** See createTestDatabase. */
  alone?: boolean;
  each?: 'empty' | 'small company';
} = {}): Pick<CoreDatabase, 'db' | 'url'> {
  let core: CoreDatabase;
  beforeAll(async () => {
    core = await openCoreDatabase({ ...(poolSize !== undefined && { poolSize }), ...(alone !== undefined && { alone }) });
  });
  afterAll(() => core?.close());
  if (each)
    beforeEach(async () => {
      await emptyTables(core.db);
      if (each === 'small company') await found(core.db);
    });
  return {
    get db() {
      return core.db;
    },
    get url() {
      return core.url;
    },
  };
}
