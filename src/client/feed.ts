// The change feed as an async iterator that does not end: it comes again after every loss, from the cursor of the last item
// that it received, with a new token, after a pause that grows and is never the same for two clients.
//
// Nothing lost: the cursor moves with each item, checkpoints too, and is sent anew with each connection. Nothing twice within
// one process. Across processes at least once: `save` gets a cursor when its item has been dealt with, that is when the next
// one is asked for. Whoever stores `item.cursor` in the transaction that stores what came of the item has exactly once.
//
// Bounded: a consumer that does not keep up fills a buffer of 256 items; then the connection is left, and made again from the
// cursor once the buffer is empty.
import { backoffMs } from '../lib/backoff.ts';
import { pullIterator } from '../lib/pull-iterator.ts';
import { type Connection, connect } from './connection.ts';
import { judge } from './ending.ts';
import { authorizationBy, endpointOf, type Token } from './endpoint.ts';
import type { FeedFilter, FeedItem } from './items.ts';
import { pause } from './pause.ts';

export type FeedState =
  | { kind: 'connecting' }
  /** Receiving what was recorded meanwhile. */
  | { kind: 'catching up' }
  | { kind: 'live' }
  /** The consumer has 256 items to take first. */
  | { kind: 'full' }
  | { kind: 'waiting'; reason: string; retryInMs: number; failures: number };

export interface AccessFeedOptions {
  /** Of the service, or of its GraphQL endpoint. */
  url: string;
  /** API key or JWT. A function is asked before every connection. */
  token: Token;
  filter?: FeedFilter;
  /** The cursor to go on from; null or nothing: from now on. Asked once. */
  load?: () => Promise<string | null> | string | null;
  /** Called with the cursor of an item when the next one is asked for. What it throws ends the feed. */
  save?: (cursor: string) => Promise<void> | void;
  /** Ends the feed, quietly. */
  signal?: AbortSignal;
  onState?: (state: FeedState) => void;
  /** All that the service had sent by this moment (of performance.now) was handed over: a ping came back. */
  onInStep?: (at: number) => void;
  /** Where there is no global one. */
  webSocket?: typeof WebSocket;
  backoff?: { minMs: number; maxMs: number };
  /** A quiet feed sends a checkpoint every 15 s: one that is silent for so long is dead. */
  silenceMs?: number;
  pingMs?: number;
}

export interface AccessFeed extends AsyncIterableIterator<FeedItem> {
  /** Of the last item handed over, or where the feed began. */
  cursor(): string | null;
  /** Resolves when the feed has ended and holds nothing any more. */
  readonly ended: Promise<void>;
}

const BUFFERED_ITEMS = 256;
/** However they came. */
const MOST_ITEMS = 1_024;
/** A connection that held so long was sound: the next pause is a short one again. */
const SOUND_AFTER_MS = 10_000;

export function createAccessFeed(options: AccessFeedOptions): AccessFeed {
  const { url, token, filter = {}, load, save, signal, onState, onInStep, webSocket = WebSocket } = options;
  const { backoff = { minMs: 500, maxMs: 30_000 }, silenceMs = 40_000, pingMs = 10_000 } = options;
  const { ws } = endpointOf(url);
  const buffer: FeedItem[] = [];
  const stopped = new AbortController();
  const { promise: ended, resolve: onEnded } = Promise.withResolvers<void>();
  let running: Promise<void> | undefined;
  let failure: { error: unknown } | undefined;
  /** Of the last item received. */
  let received: string | null = null;
  let handedOver: string | null = null;
  let unsaved: string | null = null;
  let state: FeedState['kind'] | undefined;
  let wakeConsumer: (() => void) | undefined;
  let wakeProducer: (() => void) | undefined;

  function report(next: FeedState): void {
    if (next.kind === state && next.kind !== 'waiting') return;
    state = next.kind;
    onState?.(next);
  }

  function take(item: FeedItem, connection: Connection): void {
    buffer.push(item);
    received = item.cursor;
    const live = item.kind === 'checkpoint' ? item.caughtUp : state === 'live';
    report({ kind: live ? 'live' : 'catching up' });
    // Many items may come in one packet: a consumer that keeps up has its turn before it is called slow.
    if (buffer.length === BUFFERED_ITEMS) setTimeout(() => buffer.length >= BUFFERED_ITEMS && connection.leave());
    if (buffer.length === MOST_ITEMS) connection.leave();
    wakeConsumer?.();
  }

  async function drained(): Promise<void> {
    if (!stopped.signal.aborted) report({ kind: 'full' });
    while (buffer.length > 0 && !stopped.signal.aborted) {
      await new Promise<void>((resolve) => {
        wakeProducer = resolve;
      });
    }
  }

  /** One connection to its end; undefined: it was left on our wish. */
  async function followOnce() {
    const authorization = await authorizationBy(token);
    if (stopped.signal.aborted) return undefined;
    const connection = connect({
      url: ws,
      authorization,
      filter,
      after: received,
      webSocket,
      silenceMs,
      pingMs,
      onItem: (item) => take(item, connection),
      onPong: (sentAt) => {
        if (buffer.length === 0) onInStep?.(sentAt);
      },
    });
    stopped.signal.addEventListener('abort', connection.leave);
    return connection.ended.finally(() => stopped.signal.removeEventListener('abort', connection.leave));
  }

  async function run(): Promise<void> {
    received = (await load?.()) ?? null;
    handedOver = received;
    let failures = 0;
    let triedFreshToken = false;
    while (!stopped.signal.aborted) {
      report({ kind: 'connecting' });
      const startedAt = performance.now();
      const ending = await followOnce().catch((error: unknown) => ({ kind: 'broken', reason: `no token: ${error}` }) as const);
      if (!ending) {
        await drained();
        continue;
      }
      const verdict = judge(ending);
      if (verdict.kind === 'tell') throw verdict.error;
      if (performance.now() - startedAt > SOUND_AFTER_MS) {
        failures = 0;
        triedFreshToken = false;
      }
      failures += 1;
      // The token may have run out since: one more try with a new one, before this counts as a refusal.
      const atOnce = verdict.freshToken && typeof token === 'function' && !triedFreshToken;
      if (atOnce) triedFreshToken = true;
      const retryInMs = atOnce ? 0 : backoffMs(failures, backoff);
      report({ kind: 'waiting', reason: verdict.reason, retryInMs, failures });
      await pause(retryInMs, stopped.signal);
    }
  }

  async function next(ending: AbortSignal): Promise<FeedItem | undefined> {
    if (unsaved !== null && save) await save(unsaved);
    unsaved = null;
    running ??= run()
      .catch((error: unknown) => {
        failure = { error };
        wakeConsumer?.();
      })
      .finally(onEnded);
    while (buffer.length === 0 && !failure && !ending.aborted) {
      await new Promise<void>((resolve) => {
        wakeConsumer = resolve;
      });
    }
    const item = buffer.shift();
    if (buffer.length === 0) wakeProducer?.();
    if (!item && failure) throw failure.error;
    if (!item) return undefined;
    handedOver = item.cursor;
    unsaved = item.cursor;
    return item;
  }

  const items = pullIterator(next, {
    ...(signal && { signal }),
    onEnd() {
      stopped.abort();
      wakeConsumer?.();
      wakeProducer?.();
      if (!running) onEnded();
    },
  });
  return Object.assign(items, { cursor: () => handedOver, ended });
}
