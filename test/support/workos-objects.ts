// WorkOS objects and events as their JSON, for tests that write a history by hand or draw one. Everything has a default, so
// that a test names only what it is about.
import type { StoredEvent } from '../../src/apply/parse-event.ts';
import { eventIdOf, FIRST_EVENT_AT } from './events.ts';

export type Json = Record<string, unknown>;

/** Moment number `n`: a second after the one before. */
export const momentOf = (n: number): string => new Date(FIRST_EVENT_AT + n * 1_000).toISOString();

/** A moment long before every event. */
const EARLY = new Date(FIRST_EVENT_AT - 86_400_000).toISOString();

export interface SourceEvent {
  id: string;
  type: string;
  /** As the Events API would send it. */
  raw: string;
  occurredAt: Date;
}

/** Event number `n`; its id and its time rise with it. */
export function anEvent(n: number, type: string, data: unknown): SourceEvent & StoredEvent {
  const id = eventIdOf(n);
  const raw = JSON.stringify({ object: 'event', id, event: type, data, created_at: momentOf(n), context: {} });
  return { id, type, raw, occurredAt: new Date(momentOf(n)) };
}

export const anOrganization = (id = 'org_1', over: Json = {}): Json => ({
  object: 'organization',
  id,
  name: id,
  updated_at: EARLY,
  ...over,
});

export const aDirectory = (id = 'directory_1', over: Json = {}): Json => ({
  object: 'directory',
  id,
  organization_id: 'org_1',
  name: id,
  type: 'okta scim v2.0',
  state: 'active',
  created_at: EARLY,
  updated_at: EARLY,
  ...over,
});

export const aUser = (id: string, over: Json = {}): Json => ({
  object: 'directory_user',
  id,
  directory_id: 'directory_1',
  organization_id: 'org_1',
  idp_id: `idp-${id}`,
  email: `${id}@example.com`,
  first_name: 'Given',
  last_name: id,
  state: 'active',
  custom_attributes: {},
  created_at: EARLY,
  updated_at: EARLY,
  ...over,
});

export const aGroup = (id: string, over: Json = {}): Json => ({
  object: 'directory_group',
  id,
  directory_id: 'directory_1',
  organization_id: 'org_1',
  idp_id: `idp-${id}`,
  name: id,
  created_at: EARLY,
  updated_at: EARLY,
  ...over,
});

export const aMembership = (user: Json, group: Json): Json => ({ directory_id: group.directory_id, user, group });

export const aRole = (slug: string, permissions: readonly string[], over: Json = {}): Json => ({
  object: 'role',
  slug,
  permissions,
  created_at: EARLY,
  updated_at: EARLY,
  ...over,
});

export const aPermission = (slug: string, over: Json = {}): Json => ({
  object: 'permission',
  slug,
  name: slug,
  updated_at: EARLY,
  ...over,
});
