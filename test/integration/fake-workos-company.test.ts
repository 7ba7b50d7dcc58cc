import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { describeTruth } from '../../src/fake-workos/control-api.ts';
import { loadLedger } from '../../src/fake-workos/load-ledger.ts';
import { type FakeWorkos, startFakeWorkos } from '../../src/fake-workos/server.ts';
import { createLogger } from '../../src/log.ts';
import { versionAt } from '../../src/model/version.ts';

const statePath = mkdtempSync(join(tmpdir(), 'fake-workos-company-'));
afterAll(() => rmSync(statePath, { recursive: true }));

const opened: FakeWorkos[] = [];
afterEach(async () => {
  for (const fake of opened.splice(0)) await fake.close();
});
async function start(): Promise<FakeWorkos> {
  const source = { kind: 'company', eventsPerSecond: 300, statePath } as const;
  const fake = await startFakeWorkos({ log: createLogger('silent'), holdBackMs: 0, source });
  opened.push(fake);
  return fake;
}
const TYPES =
  'dsync.user.created,dsync.user.updated,dsync.user.deleted,dsync.group.created,dsync.group.updated,dsync.group.deleted,dsync.group.user_added,dsync.group.user_removed';

async function eventIds(fake: FakeWorkos): Promise<string[]> {
  const ids: string[] = [];
  for (let after: string | null = ''; after !== null; ) {
    const answer = await fetch(`${fake.url}/events?events=${TYPES}&limit=100${after && `&after=${after}`}`, {
      headers: { authorization: `Bearer ${fake.apiKey}` },
    });
    const page = (await answer.json()) as { data: { id: string }[]; list_metadata: { after: string | null } };
    ids.push(...page.data.map(({ id }) => id));
    after = page.list_metadata.after;
  }
  return ids;
}

describe('the living company of the fake', () => {
  it('lives, and goes on after a restart: the same truth, ids that continue to rise', async () => {
    const startedAt = versionAt(new Date());
    const first = await start();
    await expect.poll(async () => (await eventIds(first)).length, { timeout: 10_000 }).toBeGreaterThan(60);
    expect((await eventIds(first)).every((id) => id > startedAt)).toBe(true); // its founding is older than the retention
    await first.close();
    const before = describeTruth(first.truth());
    appendFileSync(join(statePath, 'events.jsonl'), '{"object":"event","id":"event_cut'); // as a crash would leave it

    const { ledger } = await loadLedger({ kind: 'company', statePath });
    expect(describeTruth(ledger.truth())).toEqual(before);
    const ids = ledger.stream.events().map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)].sort());

    const second = await start();
    await expect
      .poll(async () => (await eventIds(second)).at(-1) ?? '', { timeout: 10_000 })
      .toSatisfy((id: string) => id > (ids.at(-1) ?? ''));
    const more = await eventIds(second);
    expect(more).toEqual([...new Set(more)].sort());
    expect(more).toEqual(expect.arrayContaining(ids.filter((id) => id > startedAt)));
  });

  it('folds old events away and is the same after a restart', async () => {
    const { ledger, store } = await loadLedger({ kind: 'company', statePath });
    store?.replace(ledger.keepNewest(10));
    const again = await loadLedger({ kind: 'company', statePath });
    expect(again.ledger.stream.events()).toEqual(ledger.stream.events());
    expect(again.ledger.stream.size).toBe(10);
    expect(describeTruth(again.ledger.truth())).toEqual(describeTruth(ledger.truth()));
  });

  it('refuses to start from a state that it cannot read, and says what to do', async () => {
    writeFileSync(join(statePath, 'base.json'), '{');
    await expect(start()).rejects.toThrow(/base\.json cannot be read; delete its folder/);
  });
});
