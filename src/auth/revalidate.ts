// A right that was there when a connection began may be gone while it lives: a key is revoked, a key or a token expires.
// Whatever lives long asks here: before each delivery (`holds`), and is told on silence (`watch`). Expiry needs no look-up;
// keys are looked up together, one statement a second however many connections live.
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Caller } from './caller.ts';
import type { KeyLookup, StoredKey } from './key-lookup.ts';
import type { LastUsed } from './last-used.ts';

export interface Revalidation {
  /** Whether the caller still has the right that it came with; at once where that is known. Rejects when it cannot be found out. */
  holds(caller: Caller): boolean | Promise<boolean>;
  /** Calls `onLost` once when the right is gone, until what is returned is called. */
  watch(caller: Caller, onLost: () => void): () => void;
  /** Looks at once: something was revoked. */
  nudge(): void;
}

export interface RevalidationDeps {
  keys: Pick<KeyLookup, 'find' | 'refresh' | 'remembered'>;
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

  const isGood = (key: StoredKey | null): boolean => key !== null && key.revokedAt === null;

  function holds(caller: Caller): boolean | Promise<boolean> {
    const { credential } = caller;
    if (hasExpired(caller)) return false;
    if (credential?.kind !== 'key') return true;
    const key = keys.remembered(credential.id);
    return key === undefined ? keys.find(credential.id).then(isGood) : isGood(key);
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
    const ids = new Set<string>();
    for (const { caller } of watchers) if (caller.credential?.kind === 'key') ids.add(caller.credential.id);
    await keys.refresh([...ids]);
    const bad = new Set<string>();
    for (const id of ids) if (!isGood(await keys.find(id))) bad.add(id);
    for (const watcher of watchers) {
      const { credential } = watcher.caller;
      if (hasExpired(watcher.caller) || (credential?.kind === 'key' && bad.has(credential.id))) lose(watcher);
    }
    // A key that only listens is in use as well.
    for (const id of ids) if (!bad.has(id)) lastUsed.touch(id);
  }

  function tick(): void {
    // Whatever the database does, what has expired ends now.
    for (const watcher of watchers) if (hasExpired(watcher.caller)) lose(watcher);
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
    watch(caller, onLost) {
      if (caller.credential === undefined) return () => {};
      const watcher = { caller, onLost };
      watchers.add(watcher);
      timer ??= setInterval(tick, everyMs);
      return () => void leave(watcher);
    },
    nudge() {
      if (watchers.size === 0) return;
      lookAgain = true;
      tick();
    },
  };
}
