import { AccessError } from '../src/errors.ts';

/** null: the default of src/entitlements/revocation-limit.ts. */
export function toMaxRevocations(value: number | null | undefined): number | null {
  if (value != null && value < 0) throw new AccessError('BAD_USER_INPUT', 'maxRevocations: must be 0 or more.');
  return value ?? null;
}
