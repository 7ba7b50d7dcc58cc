// A right that was there when a connection began may be gone while it lives: a key is revoked, a key or a token expires.
// Whatever lives long asks here: before each delivery (`holds`), and is told on silence (`watch`). Expiry needs no look-up;
// keys are looked up together, one statement a second however many connections live.
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Caller } from './caller.ts';
import type { KeyLookup } from './key-lookup.ts';
import type { LastUsed } from './last-used.ts';

export interface Revalidation {
  /** Whether the caller still has the right that it came with. Rejects when that cannot be found out. */
  holds(caller: Caller): Promise<boolean>;
  /** Calls `onLost` once when the right is gone, until the signal aborts. */
  watch(caller: Caller, signal: AbortSignal, onLost: () => void): void;
  /** Looks at once: something was revoked. */
  nudge(): void;
}

export interface RevalidationDeps {
  keys: Pick<KeyLookup, 'find' | 'refresh'>;
  lastUsed: Pick<LastUsed, 'touch'>;
  log: Logger;
  clock: () => Date;
  everyMs?: number;
}

interface Watcher {
  caller: Caller;
  onLost: () => void;
}

export function createRevalidation({ keys, lastUsed, log, clock, everyMs = 1_000 }: RevalidationDeps): Revalidation {
  const watchers = new Set<Watcher>();
  let timer: NodeJS.Timeout | undefined;
  let looking = false;
  let lookAgain = false;

  const hasExpired = ({ credential }: Caller): boolean => credential?.expiresAt != null && credential.expiresAt <= clock();

  async function holds(caller: Caller): Promise<boolean> {
    const { credential } = caller;
    if (hasExpired(caller)) return false;
    if (credential?.kind !== 'key') return true;
    const key = await keys.find(credential.id);
    return key !== null && key.revokedAt === null;
  }

  const leave = (watcher: Watcher): boolean => {
    const was = watchers.delete(watcher);
    if (watchers.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
    return was;
  };
  const lose = (watcher: Watcher): void => void (leave(watcher) && watcher.onLost());

  async function look(): Promise<void> {
    const ids = new Set([...watchers].flatMap(({ caller: { credential } }) => (credential?.kind === 'key' ? [credential.id] : [])));
    await keys.refresh([...ids]);
    for (const watcher of [...watchers]) if (!(await holds(watcher.caller))) lose(watcher);
    // A key that only listens is in use as well.
    for (const { caller } of watchers) if (caller.credential?.kind === 'key') lastUsed.touch(caller.credential.id);
  }

  function tick(): void {
    // Whatever the database does, what has expired ends now.
    for (const watcher of [...watchers]) if (hasExpired(watcher.caller)) lose(watcher);
    if (looking) return;
    looking = true;
    lookAgain = false;
    look()
      // Nothing is delivered meanwhile: `holds` does not find out either.
      .catch((error: unknown) => log.warn({ error: messageOf(error) }, 'keys of open connections could not be looked up'))
      .finally(() => {
        looking = false;
        if (lookAgain) tick();
      });
  }

  return {
    holds,
    watch(caller, signal, onLost) {
      if (caller.credential === undefined || signal.aborted) return;
      const watcher = { caller, onLost };
      watchers.add(watcher);
      signal.addEventListener('abort', () => leave(watcher), { once: true });
      timer ??= setInterval(tick, everyMs);
    },
    nudge() {
      if (watchers.size === 0) return;
      lookAgain = true;
      tick();
    },
  };
}
