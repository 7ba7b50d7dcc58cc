// Pure: field by field, whether a stored row says what its log says.
//
// `readUntil` is the version up to which a full read of the directory is known. Facts older than that are dropped when they
// come, so two registers that are both older decide nothing any more and count as equal: which of them stands there depends
// on whether the read or the event came first.
import type { DirectoryRow, GroupRow, MembershipRow, OrganizationRow, Tombstone, UserRow } from '../apply/working-set.ts';
import { isDeleted } from '../apply/working-set.ts';

type Plain = string | number | boolean | null | Date | readonly string[] | Readonly<Record<string, unknown>>;

/** Same text for the same JSON, whatever the order of keys: jsonb has an order of its own. */
function canonical(value: unknown): string {
  const sorted = (_key: string, inner: unknown): unknown =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner) && !(inner instanceof Date)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner;
  return JSON.stringify(value, sorted);
}

const equal = (a: Plain, b: Plain): boolean => a === b || (typeof a === 'object' && typeof b === 'object' && canonical(a) === canonical(b));

const sameFields = <T>(a: T, b: T, fields: readonly (keyof T)[]): boolean =>
  fields.every((field) => equal(a[field] as Plain, b[field] as Plain));

const sameVersions = <T>(a: T, b: T, fields: readonly (keyof T)[], readUntil: string): boolean =>
  fields.every((field) => a[field] === b[field] || (String(a[field]) < readUntil && String(b[field]) < readUntil));

const sameExistence = (a: Tombstone, b: Tombstone): boolean => isDeleted(a) === isDeleted(b);

export const sameOrganization = (a: OrganizationRow, b: OrganizationRow): boolean =>
  sameFields(a, b, ['name', 'sourceUpdatedAt', 'sourceVersion', 'aliveVersion', 'deletedVersion']);

export const sameDirectory = (a: DirectoryRow, b: DirectoryRow): boolean =>
  sameExistence(a, b) &&
  sameFields(a, b, ['organizationId', 'name', 'type', 'sourceState', 'sourceUpdatedAt', 'importedVersion']) &&
  sameVersions(a, b, ['sourceVersion', 'aliveVersion', 'deletedVersion'], b.importedVersion);

export const sameGroup = (a: GroupRow, b: GroupRow, readUntil: string): boolean =>
  sameExistence(a, b) &&
  sameFields(a, b, ['directoryId', 'organizationId', 'idpId', 'name', 'createdAt', 'updatedAt']) &&
  sameVersions(a, b, ['sourceVersion', 'aliveVersion', 'seenVersion', 'deletedVersion'], readUntil);

const USER_FIELDS = [
  'directoryId',
  'organizationId',
  'idpId',
  'email',
  'firstName',
  'lastName',
  'displayName',
  'sourceState',
  'customAttributes',
  'directoryRoles',
  'createdAt',
  'updatedAt',
] as const satisfies (keyof UserRow)[];

export const sameUser = (a: UserRow, b: UserRow, readUntil: string): boolean =>
  sameExistence(a, b) &&
  sameFields(a, b, USER_FIELDS) &&
  sameVersions(a, b, ['sourceVersion', 'aliveVersion', 'seenVersion', 'deletedVersion', 'barrierVersion'], readUntil);

/** `since` is known exactly where an event decided; of a read only its version is. `active` follows from the rest. */
export const sameMembership = (a: MembershipRow, b: MembershipRow, readUntil: string): boolean =>
  sameFields(a, b, ['directoryId', 'organizationId', 'present', 'causeEventId']) &&
  sameVersions(a, b, ['version'], a.present ? '' : readUntil) &&
  (b.causeEventId === null || equal(a.since, b.since));
