import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { nextEventId } from '../../src/fake-workos/event-ids.ts';
import { loadHistory, parseTime } from '../../src/fake-workos/history.ts';
import { createRandom } from '../../src/lib/random.ts';

const folder = mkdtempSync(join(tmpdir(), 'fake-workos-history-'));
afterAll(() => rmSync(folder, { recursive: true }));

const file = (name: string, content: string | Buffer): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const line =
  '{"object":"event","id":"event_1","event":"dsync.user.created","data":{"id":"u"},"created_at":"2024-01-01T00:00:00Z","extra":1}';

describe('a history file', () => {
  it('is read plain and gzipped, with unknown fields kept and blank lines skipped', async () => {
    const plain = await loadHistory(file('a.jsonl', `${line}\r\n\n${line}\n`));
    expect(plain).toEqual([JSON.parse(line), JSON.parse(line)]);
    expect(await loadHistory(file('a.jsonl.gz', gzipSync(`${line}\n${line}`)))).toEqual(plain);
  });

  it.each([
    ['no JSON', `${line}\n{"id":`, /bad\.jsonl:2 is not JSON/],
    ['no event', `${line}\n\n{"id":"event_2"}`, /bad\.jsonl:3 is not an event: event: /],
    ['no date', line.replace('2024-01-01T00:00:00Z', 'yesterday'), /bad\.jsonl:1 is not an event: created_at is not a date/],
  ])('with %s in a line is refused with the line', async (_, content, message) => {
    await expect(loadHistory(file('bad.jsonl', content))).rejects.toThrow(message);
  });

  it('that does not exist or is not gzipped is refused with its name', async () => {
    await expect(loadHistory(join(folder, 'none.jsonl'))).rejects.toThrow(/none\.jsonl.*ENOENT/);
    await expect(loadHistory(file('plain.gz', line))).rejects.toThrow(/plain\.gz.*incorrect header/);
  });
});

describe('event ids', () => {
  it('strictly rise within a millisecond and when the clock goes back', () => {
    const random = createRandom(7);
    const ids: string[] = [''];
    for (const atMs of [1_000, 1_000, 1_000, 999, 5, 2_000, 2_000]) ids.push(nextEventId(ids.at(-1) ?? '', atMs, random));
    expect(ids.slice(1).every((id, index) => /^event_[0-9A-HJKMNP-TV-Z]{26}$/.test(id) && id > (ids[index] as string))).toBe(true);
  });

  it('carry over the last digit', () => {
    expect(nextEventId('event_7ZZZZZZZZZZZZZZZZZZZZZZZ0Z', 1, createRandom(1))).toBe('event_7ZZZZZZZZZZZZZZZZZZZZZZZ10');
  });
});

describe('times', () => {
  it.each([
    ['2023-04-28T20:05:31.093Z', '2023-04-28T20:05:31.093Z'],
    ['2023-04-28 20:05:31.093', '2023-04-28T20:05:31.093Z'],
    ['2023-04-28T22:05:31+02:00', '2023-04-28T20:05:31.000Z'],
    ['2023-04-28', '2023-04-28T00:00:00.000Z'],
  ])('%s is UTC unless it says otherwise', (text, expected) => {
    expect(new Date(parseTime(text)).toISOString()).toBe(expected);
  });

  it('that are none are NaN', () => expect(parseTime('soon')).toBeNaN());
});
