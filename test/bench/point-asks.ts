// Question n of the point queries: about user n, by a caller of the user's organization.
import { organizationOf, PERMISSIONS, userId } from './dataset-rows.ts';

export type Kind = 'entitlements' | 'check';

/** A decision is asked about a permission that about every third holds. `caller`: the number of the organization. */
export const askOf = (n: number, kind: Kind): { variables: { userId: string; permission?: string }; caller: number } => ({
  variables: { userId: userId(n), ...(kind === 'check' && { permission: PERMISSIONS[(n * 7) % PERMISSIONS.length] as string }) },
  caller: organizationOf(n),
});
