// Keeps the living company across restarts: `events.jsonl` (appended, one event a line) and `base.json` (the truth before
// its first line, rewritten when old events are folded away). Both are replaced by rename; a last line that a crash cut
// off is dropped.
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf, StartError } from '../errors.ts';
import { type HistoryEvent, loadHistory } from './history.ts';
import { type SavedTruth, savedTruthShape } from './saved-truth.ts';

export interface CompanyStore {
  load(): Promise<{ base: SavedTruth | undefined; events: HistoryEvent[] }>;
  append(event: HistoryEvent): void;
  replace(saved: { base: SavedTruth; events: readonly HistoryEvent[] }): void;
}

const toLine = (event: HistoryEvent): string => `${JSON.stringify(event)}\n`;

export function createCompanyStore(directory: string): CompanyStore {
  const eventsPath = join(directory, 'events.jsonl');
  const basePath = join(directory, 'base.json');
  const replaceFile = (path: string, text: string): void => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };
  return {
    async load() {
      mkdirSync(directory, { recursive: true });
      const saved = existsSync(basePath) ? readBase(basePath) : undefined;
      if (!existsSync(eventsPath)) return { base: saved?.truth, events: [] };
      dropCutLine(eventsPath);
      // A crash between the two renames of replace() leaves events that the base contains already.
      const events = (await loadHistory(eventsPath)).filter((event) => event.id >= (saved?.before ?? ''));
      return { base: saved?.truth, events };
    },
    append: (event) => appendFileSync(eventsPath, toLine(event)),
    replace({ base, events }) {
      replaceFile(basePath, JSON.stringify({ before: events[0]?.id ?? '', truth: base }));
      replaceFile(eventsPath, events.map(toLine).join(''));
    },
  };
}

/** `before`: id of the first event that is not in it. */
const baseShape = z.object({ before: z.string(), truth: savedTruthShape });

function readBase(path: string): z.infer<typeof baseShape> {
  try {
    return baseShape.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    throw new StartError(
      `The fake company's state in ${path} cannot be read; delete its folder to found the company anew: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
}

function dropCutLine(path: string): void {
  const bytes = readFileSync(path);
  const end = bytes.lastIndexOf(0x0a) + 1;
  if (end < bytes.length) truncateSync(path, end);
}
