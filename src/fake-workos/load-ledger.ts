// What has happened before the fake starts: all of a recorded history that is not replayed in time, or the company's past.
import { createRandom, type Random } from '../lib/random.ts';
import { type CompanyStore, createCompanyStore } from './company-store.ts';
import { type HistoryEvent, parseTime } from './history.ts';
import { createLedger, type Ledger } from './ledger.ts';
import type { FakeSource } from './options.ts';
import type { SavedTruth } from './saved-truth.ts';

export interface LoadedLedger {
  ledger: Ledger;
  store: CompanyStore | null;
  random: Random;
}

const DEFAULT_SEED = 1;

export async function loadLedger(source: FakeSource): Promise<LoadedLedger> {
  switch (source.kind) {
    case 'scripted':
      return { ledger: createLedger(), store: null, random: createRandom(DEFAULT_SEED) };
    case 'history':
      return { ledger: alreadyHappened(source.speed === undefined ? source.events : []), store: null, random: createRandom(DEFAULT_SEED) };
    case 'company': {
      const store = source.statePath === undefined ? null : createCompanyStore(source.statePath);
      const { base, events } = (await store?.load()) ?? { base: undefined, events: [] };
      const ledger = alreadyHappened(events, base);
      // Another sequence after every restart, or the same people would be hired again.
      return { ledger, store, random: createRandom((source.seed ?? DEFAULT_SEED) + ledger.stream.size) };
    }
  }
}

function alreadyHappened(events: readonly HistoryEvent[], base?: SavedTruth): Ledger {
  const ledger = createLedger(base);
  const inOrder = events.toSorted((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  for (const event of inOrder) ledger.add(event, parseTime(event.created_at), true);
  return ledger;
}
