// A copy of who may do what, in memory, kept in step by the change feed: snapshot, then tail. `can` asks nobody.
//
// Never half: a copy is loaded aside and takes the place of the one before, whole, when the feed has caught up behind it.
// Never silently old: `staleForMs` is the time since it last was certain that the copy holds everything, and beyond
// `staleAfterMs` the answer is what `whenStale` says. Certain means: a checkpoint said so, or a ping came back over a
// connection on which a checkpoint had said so and nothing else had come since.
import { backoffMs } from '../lib/backoff.ts';
import { type AccessDifference, type AccessTable, createAccessTable, differences } from './access-table.ts';
import { endpointOf, type Token } from './endpoint.ts';
import { SnapshotNeeded } from './errors.ts';
import { createAccessFeed, type FeedState } from './feed.ts';
import type { EntitlementChange } from './items.ts';
import { pause } from './pause.ts';
import { readSnapshot } from './snapshot.ts';

export interface MirrorChange extends AccessDifference {
  /** null: found by comparing with a new snapshot. */
  change: EntitlementChange | null;
}

export type MirrorState =
  | FeedState
  | { kind: 'loading'; organizationId: string }
  /** The request itself is refused, for instance its organization's id: the copy will grow stale. */
  | { kind: 'failed'; error: unknown };

export interface AccessMirrorOptions {
  /** Of the service, or of its GraphQL endpoint. */
  url: string;
  /** API key or JWT with ENTITLEMENTS_READ and CHANGES_SUBSCRIBE. A function is asked before every attempt. */
  token: Token;
  /** One or several. Several are followed over one feed of everything that the caller may see. */
  organizationId: string | readonly string[];
  /** A quiet feed in good order is certain at least every 10 s, so less than 15 s means false alarms. */
  staleAfterMs?: number;
  /** `deny`: a stale copy allows nothing (fail closed). `allow`: it goes on to allow what it last knew (fail open). */
  whenStale: 'deny' | 'allow';
  /** Every difference that takes effect after the first load. */
  onChange?: (change: MirrorChange) => void;
  onState?: (state: MirrorState) => void;
  signal?: AbortSignal;
  /** Where there are no global ones. */
  webSocket?: typeof WebSocket;
  fetch?: typeof fetch;
  backoff?: { minMs: number; maxMs: number };
}

export interface AccessMirror {
  /** Whether the user may, as far as is known here; false before the first load. */
  can(userId: string, permission: string): boolean;
  /** Sorted; the same rules as for `can`. */
  permissionsOf(userId: string): readonly string[];
  /** Cursor of the change-log position that the copy reflects; null before the first load. */
  readonly revision: string | null;
  /** Infinity before the first load. */
  staleForMs(): number;
  /** Resolves with the first load; rejects when there will be none. */
  ready(): Promise<void>;
  /** Resolves when nothing runs any more. The copy stays, and grows stale. */
  close(): Promise<void>;
}

export function createAccessMirror(options: AccessMirrorOptions): AccessMirror {
  const { url, token, organizationId, staleAfterMs = 30_000, whenStale, onChange, onState, signal } = options;
  const { webSocket = WebSocket, fetch = globalThis.fetch, backoff = { minMs: 500, maxMs: 30_000 } } = options;
  const organizationIds = [organizationId].flat();
  const endpoint = endpointOf(url).http;
  const closing = new AbortController();
  const stop = signal ? AbortSignal.any([signal, closing.signal]) : closing.signal;
  const loaded = Promise.withResolvers<void>();
  loaded.promise.catch(() => {});
  let copy: { table: AccessTable; revision: string } | undefined;
  // Two clocks: the steady one stands still while a machine sleeps, the other one may be set back.
  let certain: { steady: number; wall: number } | undefined;

  const staleForMs = () =>
    copy && certain ? Math.max(0, performance.now() - certain.steady, Date.now() - certain.wall) : Number.POSITIVE_INFINITY;
  const answering = () => copy !== undefined && (whenStale === 'allow' || staleForMs() <= staleAfterMs);

  const beCertain = (at: number) => {
    certain = { steady: at, wall: Date.now() - (performance.now() - at) };
  };

  async function load(): Promise<{ table: AccessTable; asOf: string } | undefined> {
    const table = createAccessTable();
    let asOf: string | undefined;
    for (const id of organizationIds) {
      onState?.({ kind: 'loading', organizationId: id });
      const end = await readSnapshot(
        {
          url: endpoint,
          token,
          organizationId: id,
          fetch,
          backoff,
          signal: stop,
          onWaiting: (wait) => onState?.({ kind: 'waiting', ...wait }),
        },
        table.put,
      );
      if (end === undefined) return undefined;
      // From the first one's position: what the later ones hold already is put there again, in order, before they serve.
      asOf ??= end;
    }
    return asOf === undefined ? undefined : { table, asOf };
  }

  function replaceCopy(table: AccessTable, revision: string): void {
    const before = copy?.table;
    copy = { table, revision };
    loaded.resolve();
    if (!before) return;
    for (const difference of differences(before, table)) onChange?.({ ...difference, change: null });
  }

  /** Loads a copy and keeps it until the signal aborts. Throws SnapshotNeeded when it must be loaded again. */
  async function follow(): Promise<void> {
    const next = await load();
    if (!next) return;
    const { table, asOf } = next;
    const serving = () => copy?.table === table;
    let inStep = false;
    const feed = createAccessFeed({
      url: endpoint,
      token,
      filter: organizationIds.length === 1 ? { organizationId: organizationIds[0] as string } : {},
      load: () => asOf,
      signal: stop,
      webSocket,
      backoff,
      pingMs: Math.min(10_000, staleAfterMs / 3),
      onState(state) {
        // Nothing is certain about a connection that has just been made.
        if (state.kind === 'connecting') inStep = false;
        onState?.(state);
      },
      onInStep: (at) => inStep && beCertain(at),
    });
    for await (const item of feed) {
      inStep = item.kind === 'checkpoint' && item.caughtUp;
      if (inStep) beCertain(performance.now());
      if (serving()) copy = { table, revision: item.cursor };
      else if (inStep) replaceCopy(table, item.cursor);
      if (item.kind !== 'change' || !organizationIds.includes(item.organizationId)) continue;
      const { userId, grantedPermissions: granted, revokedPermissions: revoked } = item;
      table.change(userId, granted, revoked);
      if (serving() && granted.length + revoked.length > 0) onChange?.({ userId, granted, revoked, change: item });
    }
  }

  async function run(): Promise<void> {
    for (let attempt = 1; !stop.aborted; attempt += 1) {
      const before = copy;
      try {
        await follow();
      } catch (error) {
        if (!(error instanceof SnapshotNeeded)) throw error;
        if (copy !== before) attempt = 1;
        const retryInMs = backoffMs(attempt, backoff);
        onState?.({ kind: 'waiting', reason: error.message, retryInMs, failures: attempt });
        await pause(retryInMs, stop);
      }
    }
  }

  const running = run()
    .catch((error: unknown) => {
      onState?.({ kind: 'failed', error });
      loaded.reject(error);
    })
    .finally(() => loaded.reject(new Error('the mirror was closed before it was loaded')));

  return {
    can: (userId, permission) => answering() && copy?.table.can(userId, permission) === true,
    permissionsOf: (userId) => (answering() && copy?.table.permissionsOf(userId)) || [],
    get revision() {
      return copy?.revision ?? null;
    },
    staleForMs,
    ready: () => loaded.promise,
    close() {
      closing.abort();
      return running;
    },
  };
}
