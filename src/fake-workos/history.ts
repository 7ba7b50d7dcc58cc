// Directory events as WorkOS writes them, and how a file of them is read. `data` stays unread here: a history may hold
// events that nobody understands, and the fake serves them all the same.
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';
import { z } from 'zod';
import { messageOf, StartError } from '../errors.ts';

export interface HistoryEvent {
  object?: 'event';
  id: string;
  event: string;
  data: unknown;
  created_at: string;
  context?: unknown;
}

/** An event to publish: what is left out is made up (an id above all others, the present moment). */
export type NewEvent = Omit<HistoryEvent, 'id' | 'created_at'> & { id?: string; created_at?: string };

const historyEvent = z.looseObject({
  object: z.literal('event').exactOptional(),
  id: z.string().min(1),
  event: z.string().min(1),
  data: z.unknown(),
  created_at: z.string().min(1),
});

/** Milliseconds of an ISO 8601 text; one without a zone ("2023-04-28 20:05:31.093" in WorkOS' samples) is UTC. NaN when it is none. */
export function parseTime(text: string): number {
  const zoned = /(z|[+-]\d\d:?\d\d)$/i.test(text) || !text.includes(':');
  return Date.parse(zoned ? text : `${text.trim().replace(' ', 'T')}Z`);
}

/** For events that are broken on purpose. */
export function timeOr(text: string, otherwiseMs: number): number {
  const timeMs = parseTime(text);
  return Number.isNaN(timeMs) ? otherwiseMs : timeMs;
}

/** Reads JSON lines, gzipped or not; blank lines are skipped. Throws StartError naming the file and the first line that is no event. */
export async function loadHistory(path: string): Promise<HistoryEvent[]> {
  const events: HistoryEvent[] = [];
  const file = createReadStream(path);
  const text = path.endsWith('.gz') ? file.pipe(createGunzip()) : file;
  file.on('error', (error) => text.destroy(error));
  let lineNumber = 0;
  try {
    for await (const line of createInterface({ input: text, crlfDelay: Number.POSITIVE_INFINITY })) {
      lineNumber += 1;
      if (line.trim() !== '') events.push(parseLine(line, path, lineNumber));
    }
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(`Cannot read the events in ${path} (after line ${lineNumber}): ${messageOf(error)}`, { cause: error });
  } finally {
    file.destroy();
  }
  return events;
}

function parseLine(line: string, path: string, lineNumber: number): HistoryEvent {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new StartError(`${path}:${lineNumber} is not JSON: ${messageOf(error)}`, { cause: error });
  }
  const parsed = historyEvent.safeParse(value);
  if (parsed.success && !Number.isNaN(parseTime(parsed.data.created_at))) return parsed.data;
  const reason = parsed.success
    ? 'created_at is not a date'
    : parsed.error.issues.map((i) => `${i.path.join('.') || 'the line'}: ${i.message}`).join('; ');
  throw new StartError(`${path}:${lineNumber} is not an event: ${reason}`);
}
