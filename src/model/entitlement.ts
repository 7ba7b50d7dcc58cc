// Effective access of one user, with its reasons. A path says why a role is held: source → role. A permission points at
// the paths whose role contains it, so that the reasons are stored once.

export type EntitlementSource = 'GROUP' | 'DIRECTORY_ROLE' | 'GRANT';

export interface EntitlementPath {
  role: string;
  source: EntitlementSource;
  groupId: string | null;
  grantId: string | null;
  /** ISO 8601; only of grants. */
  expiresAt: string | null;
  /** ISO 8601: since when this path has held without a break. */
  since: string;
  /** The directory event that opened the path, if it was one. */
  causeEventId: string | null;
}

export interface Reasons {
  paths: EntitlementPath[];
  /** Permission → indices into `paths`. */
  permissions: Record<string, number[]>;
}

export interface Effective {
  /** Sorted, without repeats. */
  roles: string[];
  permissions: string[];
  reasons: Reasons;
}

export const NO_ACCESS: Effective = { roles: [], permissions: [], reasons: { paths: [], permissions: {} } };
