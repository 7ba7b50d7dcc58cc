// Pure: one stored event into what it says. Every input has a named outcome; nothing is cast. Failures that real consumers
// had with single types are in workos.md, "Failures that real consumers reported".
import type { z } from 'zod';
import { messageOf } from '../errors.ts';
import type { Cause } from '../model/change.ts';
import type { Fact, Observation, SourceRole } from '../model/fact.ts';
import { describeIssues, directory, group, membership, organization, organizationRole, permission, role, user } from './parse-object.ts';

export interface StoredEvent {
  id: string;
  type: string;
  raw: string;
  occurredAt: Date;
}

export type ParsedEvent =
  | { kind: 'observation'; observation: Observation }
  /** A type that says nothing about access. */
  | { kind: 'ignored' }
  /** Cannot be understood; `reason` says what is wrong and where. */
  | { kind: 'refused'; reason: string };

type Read = (data: unknown) => Fact[] | z.ZodError;

const reading =
  <T>(schema: z.ZodType<T>, facts: (value: T) => Fact[]): Read =>
  (data) => {
    const parsed = schema.safeParse(data);
    return parsed.success ? facts(parsed.data) : parsed.error;
  };

const roleReaders = (prefix: string, schema: z.ZodType<SourceRole>): Record<string, Read> => ({
  [`${prefix}.created`]: reading(schema, (r) => [{ kind: 'roleSeen', role: r, alive: true }]),
  [`${prefix}.updated`]: reading(schema, (r) => [{ kind: 'roleSeen', role: r, alive: false }]),
  [`${prefix}.deleted`]: reading(schema, (r) => [{ kind: 'roleDeleted', role: r }]),
});

const READERS: Readonly<Record<string, Read>> = {
  'organization.created': reading(organization, (o) => [{ kind: 'organizationSeen', organization: o, alive: true }]),
  'organization.updated': reading(organization, (o) => [{ kind: 'organizationSeen', organization: o, alive: false }]),
  'organization.deleted': reading(organization, (o) => [{ kind: 'organizationDeleted', organization: o }]),
  'dsync.activated': reading(directory, (d) => [{ kind: 'directorySeen', directory: d, alive: true }]),
  'dsync.deactivated': reading(directory, (d) => [{ kind: 'directoryDeleted', directory: d }]),
  'dsync.deleted': reading(directory, (d) => [{ kind: 'directoryDeleted', directory: d }]),
  'dsync.user.created': reading(user, (u) => [{ kind: 'userSeen', user: u, alive: true }]),
  'dsync.user.updated': reading(user, (u) => [{ kind: 'userSeen', user: u, alive: false }]),
  'dsync.user.deleted': reading(user, (u) => [{ kind: 'userDeleted', user: u }]),
  'dsync.group.created': reading(group, (g) => [{ kind: 'groupSeen', group: g, alive: true }]),
  'dsync.group.updated': reading(group, (g) => [{ kind: 'groupSeen', group: g, alive: false }]),
  'dsync.group.deleted': reading(group, (g) => [{ kind: 'groupDeleted', group: g }]),
  'dsync.group.user_added': reading(membership, (m) => [
    { kind: 'userSeen', user: m.user, alive: false },
    { kind: 'groupSeen', group: m.group, alive: false },
    { kind: 'memberAdded', userId: m.user.id, group: m.group },
  ]),
  // The objects that a removal carries are not taken: a removal never creates, and taking them only where they are known
  // already would make the result depend on the order of arrival.
  'dsync.group.user_removed': reading(membership, (m) => [{ kind: 'memberRemoved', userId: m.user.id, group: m.group }]),
  ...roleReaders('role', role),
  ...roleReaders('organization_role', organizationRole),
  'permission.created': reading(permission, (p) => [{ kind: 'permissionSeen', permission: p, alive: true }]),
  'permission.updated': reading(permission, (p) => [{ kind: 'permissionSeen', permission: p, alive: false }]),
  'permission.deleted': reading(permission, (p) => [{ kind: 'permissionDeleted', permission: p }]),
};

/** Whether events of this type change the catalog and not the directory. */
export const isCatalogType = (type: string): boolean => /^(role|organization_role|permission)\./.test(type);

const isUnstorable = (text: string): boolean => text.includes('\0') || !text.isWellFormed();

/** Path of the first string that Postgres cannot store in text or jsonb: with a NUL character or half a surrogate pair. */
function findUnstorable(value: unknown, path: string): string | undefined {
  if (typeof value === 'string') return isUnstorable(value) ? path : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    const found = isUnstorable(key) ? `${path} (a key)` : findUnstorable(inner, `${path}.${key}`);
    if (found) return found;
  }
  return undefined;
}

export const causeOfEvent = (event: StoredEvent): Cause => ({
  kind: 'DIRECTORY_EVENT',
  eventId: event.id,
  eventType: event.type,
  replayId: null,
  driftReportId: null,
  actor: null,
  reason: null,
  occurredAt: event.occurredAt,
});

export function parseEvent(event: StoredEvent): ParsedEvent {
  const read = Object.hasOwn(READERS, event.type) ? READERS[event.type] : undefined;
  if (!read) return { kind: 'ignored' };
  let body: unknown;
  try {
    body = JSON.parse(event.raw);
  } catch (error) {
    return { kind: 'refused', reason: `the stored event is not JSON: ${messageOf(error)}` };
  }
  const data = typeof body === 'object' && body !== null && 'data' in body ? body.data : undefined;
  if (/\\u(0000|d[89a-f])/i.test(event.raw)) {
    const path = findUnstorable(data, 'data');
    if (path) return { kind: 'refused', reason: `${path} contains a NUL character or half a surrogate pair` };
  }
  const facts = read(data);
  if (!Array.isArray(facts)) return { kind: 'refused', reason: describeIssues(facts, 'data') };
  return { kind: 'observation', observation: { version: event.id, facts, cause: causeOfEvent(event) } };
}
