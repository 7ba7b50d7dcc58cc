// `access-service migrate`: brings the database of DATABASE_URL (or the embedded one) to the schema of this version.
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { startEmbeddedPostgres } from '../db/embedded.ts';
import { migrate } from '../db/migrate.ts';
import type { Logger } from '../log.ts';

export async function runMigrate(config: Config, log: Logger): Promise<void> {
  const embedded = config.databaseUrl ? null : await startEmbeddedPostgres({ dir: join(config.dataDir, 'postgres'), log });
  try {
    const { applied } = await migrate({ url: config.databaseUrl ?? embedded?.url ?? '', log });
    process.stdout.write(
      applied.length === 0 ? 'The database is up to date.\n' : `Applied ${applied.length} migration(s): ${applied.join(', ')}\n`,
    );
  } finally {
    await embedded?.stop();
  }
}
