// `npm start` on a machine with nothing: everything by itself, three commands to paste, a clean end, and a second start that goes on.
import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../src/lib/free-port.ts';
import { postGraphql, type RunningCli, runCli } from '../support/service-process.ts';
import { makeTemporaryDir } from '../support/temporary-dir.ts';
import { waitFor } from '../support/wait-for.ts';

const run = promisify(execFile);

interface Health {
  syncHealth: { cursor: { eventId: string | null }; events: { applied: number; pending: number } };
}
const HEALTH = '{ syncHealth { cursor { eventId } events { applied pending } } }';

let dataDir: string;
let port: number;
let url: string;

beforeAll(async () => {
  dataDir = await makeTemporaryDir('access-start-');
  port = await freePort();
  url = `http://127.0.0.1:${port}`;
});

afterAll(() => rm(dataDir, { recursive: true, force: true }));

async function start(): Promise<{ cli: RunningCli; banner: string; key: string }> {
  const cli = runCli(['start'], { DATA_DIR: join(dataDir, 'data'), PORT: String(port) });
  await waitFor('the banner', () => cli.output().includes('Ctrl-C stops everything'), { timeoutMs: 60_000, missing: cli.output });
  const banner = cli.output();
  return { cli, banner, key: /key {7}(\S+)/.exec(banner)?.[1] ?? '' };
}

const health = async (key: string): Promise<Health['syncHealth']> => {
  const { data } = await postGraphql<Health>(url, key, HEALTH);
  if (!data) throw new Error('no answer');
  return data.syncHealth;
};

/** Process ids of what runs on our data directory. */
async function leftBehind(): Promise<string[]> {
  const { stdout } = await run('ps', ['-eo', 'pid=,args=']);
  return stdout.split('\n').filter((line) => line.includes(dataDir));
}

describe('a first start with nothing configured', () => {
  it('names its stand-ins, runs the pasted commands, ends without a trace and goes on at the next start', async () => {
    const first = await start();
    for (const standIn of ['embedded Postgres', 'REDIS_URL is not set', 'FAKE WorkOS', 'ADMIN_API_KEY is not set'])
      expect(first.banner).toContain(standIn);
    expect(first.key).toMatch(/^dev_\S{32}$/);
    const applied = await waitFor(
      'the first events',
      async () => ((await health(first.key)).events.applied >= 3 ? health(first.key) : null),
      {
        timeoutMs: 60_000,
        missing: first.cli.output,
      },
    );

    const [query, subscription, replay] = first.banner.match(/curl .*/g) ?? [];
    const pasted = async (command: string | undefined): Promise<string> => (await run('bash', ['-c', command ?? 'false'])).stdout;
    const people = JSON.parse(await pasted(query)) as { data: { users: { nodes: { displayName: string }[] } } };
    expect(people.data.users.nodes).toHaveLength(3);
    const feed = await pasted(`${subscription?.replace('curl', 'curl --max-time 6')} || true`);
    expect(feed).toContain('FeedCheckpoint');
    expect(feed).toContain('"__typename":"EntitlementChange"');
    const { data } = JSON.parse(await pasted(replay)) as { data: { replayEvents: { id: string } } };
    await waitFor('the replay', async () => {
      const answer = await postGraphql<{ replay: { status: string; repaired: number } }>(
        url,
        first.key,
        'query ($id: ID!) { replay(id: $id) { status repaired } }',
        { id: data.replayEvents.id },
      );
      if (answer.data?.replay.status === 'FAILED') throw new Error('the replay failed');
      return answer.data?.replay.status === 'SUCCEEDED' && answer.data.replay.repaired === 0;
    });

    expect(await first.cli.end('SIGINT')).toBe(0);
    expect(await leftBehind()).toEqual([]);

    const second = await start();
    expect(second.key).toBe(first.key);
    await waitFor('more events than before', async () => (await health(second.key)).events.applied > applied.events.applied, {
      timeoutMs: 60_000,
      missing: second.cli.output,
    });
    expect(second.cli.output()).not.toContain('initial import');
    expect(await second.cli.end('SIGTERM')).toBe(0);
    expect(await leftBehind()).toEqual([]);
    expect((await readFile(join(dataDir, 'data', 'admin-key'), 'utf8')).trim()).toBe(first.key);
  });
});
