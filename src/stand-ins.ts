// What takes the place of what is not configured, so that one command runs everything: a real Postgres under the data
// directory, a fake WorkOS with a small living company, a key that was made here. Never in production (config.ts).
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from './config.ts';
import type { Db } from './db/client.ts';
import { startEmbeddedPostgres } from './db/embedded.ts';
import { applyCatalog } from './entitlements/catalog.ts';
import { COMPANY_CATALOG } from './fake-workos/company-catalog.ts';
import { type FakeWorkos, startFakeWorkos } from './fake-workos/server.ts';
import type { Closer } from './lib/closer.ts';
import type { Logger } from './log.ts';

/** Of the fake WorkOS, which only ever speaks to this process. */
export const FAKE_WEBHOOK_SECRET = 'whsec_fake_workos';

export async function openEmbedded(config: Config, log: Logger, closer: Closer): Promise<string> {
  const embedded = await startEmbeddedPostgres({ dir: join(config.dataDir, 'postgres'), log });
  closer.add('embedded postgres', embedded.stop);
  return embedded.url;
}

export async function openFake(config: Config, url: string | null, log: Logger, closer: Closer): Promise<FakeWorkos> {
  const fake = await startFakeWorkos({
    log,
    source: { kind: 'company', statePath: join(config.dataDir, 'fake-workos') },
    ...(url && { webhook: { url: `${url}/webhooks/workos`, secret: FAKE_WEBHOOK_SECRET } }),
  });
  closer.add('fake WorkOS', fake.close);
  return fake;
}

/** So that a newcomer sees permissions and not only people. Left alone as soon as there is any role. */
export async function giveCompanyItsCatalog(db: Db, log: Logger): Promise<void> {
  if ((await db.role.count()) > 0) return;
  await applyCatalog(db, { catalog: COMPANY_CATALOG, dryRun: false, prune: false, actor: 'fake WorkOS', tenant: null });
  log.info('the catalog of the fake company was applied');
}

/** The configured key, or one that was made here and is kept, so that a command pasted yesterday works today. */
export async function adminKey(config: Config): Promise<{ key: string; generated: boolean }> {
  if (config.adminApiKey) return { key: config.adminApiKey, generated: false };
  const path = join(config.dataDir, 'admin-key');
  const kept = (await readFile(path, 'utf8').catch(() => '')).trim();
  if (kept) return { key: kept, generated: true };
  const key = `dev_${randomBytes(24).toString('base64url')}`;
  await mkdir(config.dataDir, { recursive: true });
  await writeFile(path, `${key}\n`, { mode: 0o600 });
  return { key, generated: true };
}
