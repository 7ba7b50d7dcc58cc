// Log → stream. Reads what was recorded after relayed_position, appends it to the stream, wakes this process' own tail, then
// marks it, while the next is read already. Dies between append and mark: the next relay appends again, which the stream refuses, and marks. Two relays at
// once do each other's work, to the same result; a lease saves the effort, not the correctness.
//
// While the stream is away nothing is marked, and nobody waits: every tail polls the log as well. A stream that has lost
// entries (FLUSHALL, failover, trimming) is not filled up again: readers prove their positions and take a hole from the
// log, so filling would repeat what they have, at lower ids that a blocked reader is never shown anyway. The opposite, a
// stream that is ahead of the log (the database was restored from a backup, or a foreign hand wrote), would refuse every
// change as known, so such a stream is thrown away; that is looked at after every start, failure and refusal, and now and then.
import { setTimeout as delay } from 'node:timers/promises';
import { readHead } from '../changes/head.ts';
import { type ChangePage, readPage } from '../changes/read-after.ts';
import { readTraceIds } from '../changes/trace-ids.ts';
import type { Db } from '../db/client.ts';
import { messageOf } from '../errors.ts';
import { failpoint } from '../lib/failpoint.ts';
import { runLoop } from '../lib/loop.ts';
import type { Nudge } from '../lib/nudge.ts';
import { within } from '../lib/within.ts';
import type { Logger } from '../log.ts';
import type { RecordedChange } from '../model/change.ts';
import type { Position } from '../model/cursor.ts';
import { type Counts, NO_COUNTS, NO_TRACING, type Tracing } from '../model/telemetry.ts';
import type { ChangeStream } from '../redis/change-stream.ts';
import type { JustRecorded } from './just-recorded.ts';
import { markRelayed } from './mark-relayed.ts';

export interface RelayOptions {
  db: Db;
  /** null: no Redis; the in-process tail is all there is to wake. */
  stream: Pick<ChangeStream, 'append' | 'lastId' | 'reset'> | null;
  /** Hands changes to this process' tail. May be told the same changes again. */
  onPublished: (changes: RecordedChange[]) => void;
  /** Nudged after every commit of changes by this process. Only the relay may wait on it. */
  nudge: Nudge;
  recorded?: Pick<JustRecorded, 'takeAfter'>;
  log: Logger;
  counts?: Pick<Counts, 'republished'>;
  tracing?: Tracing;
  pollIntervalMs?: number;
}

export interface Relay {
  /** Hands on what is there by then before it ends. */
  run(signal: AbortSignal): Promise<void>;
  /** One round, as `run` repeats it; idle when all that the log held is handed on and marked. */
  step(): Promise<'again' | 'idle'>;
}

const PAGE_SIZE = 500;
/** Between marks: each holds the counter row for a moment, for which all who record changes wait. */
const MARK_PAUSE_MS = 50;
/** Handed on, and not marked yet. */
const MAX_UNMARKED = 5_000n;
const STREAM_CHECK_INTERVAL_MS = 30_000;
/** What is not handed on by then waits for the next relay; readers have their poll. */
const FLUSH_TIMEOUT_MS = 3_000;

export function createRelay(options: RelayOptions): Relay {
  const { db, stream, onPublished, nudge, recorded, log, counts = NO_COUNTS, tracing = NO_TRACING, pollIntervalMs = 500 } = options;
  let streamCheckedAt = Number.NEGATIVE_INFINITY;

  async function dropStreamAheadOfLog(into: NonNullable<RelayOptions['stream']>): Promise<void> {
    // In this order: the log may grow in between, so a sound stream is never taken for one that is ahead.
    const lastId = await into.lastId();
    const { position } = await readHead(db);
    if (lastId > position) {
      log.warn({ lastId: String(lastId), position: String(position) }, 'the stream is ahead of the change log; throwing the stream away');
      await into.reset();
      counts.republished('stream_ahead', Number(lastId - position));
    }
    streamCheckedAt = performance.now();
  }

  async function publish(into: NonNullable<RelayOptions['stream']>, changes: RecordedChange[]): Promise<void> {
    const { known } = await into.append(changes);
    if (known === 0) return;
    streamCheckedAt = Number.NEGATIVE_INFINITY;
    counts.republished('repeated', known);
  }

  async function trace(changes: readonly RecordedChange[], link: (traceIds: readonly string[]) => void): Promise<void> {
    const traces = await readTraceIds(db, changes);
    link([...traces.values()]);
    for (const { cause, position, recordedAt } of changes) {
      const traceId = traces.get(cause.eventId ?? '');
      if (traceId) tracing.stage('relay', { traceId, startMs: recordedAt.getTime(), attributes: { position: String(position) } });
    }
  }

  /** Handed on up to here; null: as the log says. */
  let handedTo: Position | null = null;
  let markedTo: Position = 0n;
  let marking: Promise<void> | undefined;

  /** Marks all that was handed on, however much that becomes meanwhile. What fails is handed on again, which harms nobody. */
  async function mark(): Promise<void> {
    try {
      for (let upTo = handedTo; upTo !== null && upTo > markedTo; upTo = handedTo) {
        await markRelayed(db, markedTo, upTo);
        markedTo = upTo;
        await failpoint('marked');
        if (handedTo !== upTo) await delay(MARK_PAUSE_MS);
      }
    } catch (error) {
      handedTo = null;
      throw error;
    } finally {
      marking = undefined;
    }
  }
  function keepMarking(): void {
    marking ??= mark();
    // Told by the round that waits for it, or that begins anew from the log.
    marking.catch((error: unknown) => log.debug({ err: messageOf(error) }, 'not marked'));
  }

  /** As far as this process has recorded what follows, it need not be read. */
  async function changesAfter(after: Position): Promise<Pick<ChangePage, 'changes' | 'scannedTo'> & { from: 'memory' | 'log' }> {
    const changes = recorded?.takeAfter(after, PAGE_SIZE) ?? [];
    const last = changes.at(-1);
    if (last) return { changes, scannedTo: last.position, from: 'memory' };
    return { ...(await readPage(db, { after, limit: PAGE_SIZE })), from: 'log' };
  }

  /** Whence the changes came that were handed on. */
  async function handOn(): Promise<'memory' | 'log' | 'nowhere'> {
    if (stream && performance.now() - streamCheckedAt > STREAM_CHECK_INTERVAL_MS) await dropStreamAheadOfLog(stream);
    if (handedTo === null) {
      await marking;
      markedTo = (await readHead(db)).relayedPosition;
      handedTo = markedTo;
    }
    const after = handedTo;
    const { changes, scannedTo, from } = await changesAfter(after);
    if (scannedTo === after) return 'nowhere';
    await tracing.span('relay batch', { changes: changes.length }, async (link) => {
      const publishing = stream && publish(stream, changes);
      onPublished(changes);
      await publishing;
      await failpoint('xadd-before-mark');
      // The next are not held up by the commit of the mark.
      handedTo = scannedTo;
      keepMarking();
      if (scannedTo - markedTo > MAX_UNMARKED) await marking;
      if (tracing.on) await trace(changes, link);
    });
    return from;
  }

  async function step(): Promise<'again' | 'idle'> {
    if ((await handOn()) !== 'nowhere') return 'again';
    await marking;
    return 'idle';
  }

  async function flush(): Promise<void> {
    while ((await step()) === 'again');
  }

  return {
    step,
    async run(signal) {
      let failing = false;
      const round = async () => {
        // Whoever has recorded more, here or elsewhere, nudges.
        const next = (await handOn()) === 'log' ? 'again' : 'idle';
        if (failing) log.info('the relay goes on');
        failing = false;
        return next;
      };
      await runLoop(round, {
        signal,
        nudge,
        idleMs: pollIntervalMs,
        failureMaxMs: 2_000,
        onError(error) {
          streamCheckedAt = Number.NEGATIVE_INFINITY;
          if (!failing) log.warn({ err: messageOf(error) }, 'the relay is held up; feeds go on by polling');
          failing = true;
        },
      });
      await within(FLUSH_TIMEOUT_MS, 'the last changes', flush()).catch((error: unknown) =>
        log.debug({ err: messageOf(error) }, 'not flushed'),
      );
    },
  };
}
