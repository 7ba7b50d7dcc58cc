// Directory events for tests: ids that rise with their number, in WorkOS' form.
import type { HistoryEvent } from '../../src/fake-workos/server.ts';
import { versionAt } from '../../src/model/version.ts';

export const FIRST_EVENT_AT = Date.parse('2026-02-01T00:00:00Z');

/** Event number `n` happened `n` seconds after the first. */
export const eventIdOf = (n: number): string =>
  `${versionAt(new Date(FIRST_EVENT_AT + n * 1_000)).slice(0, -4)}${String(n % 10_000).padStart(4, '0')}`;

export function userEvent(n: number, over: Partial<HistoryEvent> = {}): HistoryEvent {
  const at = new Date(FIRST_EVENT_AT + n * 1_000).toISOString();
  const user = {
    object: 'directory_user',
    id: `directory_user_${n % 7}`,
    directory_id: 'directory_1',
    organization_id: 'org_1',
    state: 'active',
  };
  return {
    object: 'event',
    id: eventIdOf(n),
    event: n < 7 ? 'dsync.user.created' : 'dsync.user.updated',
    data: { ...user, idp_id: `idp_${n % 7}`, custom_attributes: { n }, created_at: at, updated_at: at },
    created_at: at,
    ...over,
  };
}

export const userEvents = (count: number): HistoryEvent[] => Array.from({ length: count }, (_, n) => userEvent(n));
