// Asked by the readiness of a process, long after migrate.ts has done its work at the start.
import type { Db } from './client.ts';
import { MIGRATIONS_DIR, readMigrations } from './migrate.ts';

const FINISHED = 'SELECT migration_name AS "name" FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL';

/** A question to the database: does it have every migration of this version? */
export async function createMigratedCheck(db: Db): Promise<() => Promise<boolean>> {
  const ours = (await readMigrations(MIGRATIONS_DIR)).map(({ name }) => name);
  return async () => {
    const finished = new Set((await db.$queryRawUnsafe<{ name: string }[]>(FINISHED)).map(({ name }) => name));
    return ours.every((name) => finished.has(name));
  };
}
