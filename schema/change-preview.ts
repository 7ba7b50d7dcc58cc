import type { ChangePreview } from '../src/entitlements/wide-chunk.ts';
import { builder } from './builder.ts';

export const EntitlementChangePreview = builder.objectRef<ChangePreview>('EntitlementChangePreview').implement({
  fields: (t) => ({
    userId: t.exposeID('userId'),
    grantedPermissions: t.exposeStringList('grantedPermissions'),
    revokedPermissions: t.exposeStringList('revokedPermissions'),
  }),
});
