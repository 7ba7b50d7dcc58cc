// The nouns, what a value of each is, and who may see it wherever it turns up. The fields are in the file of each noun, so
// that nouns may point at each other without importing each other.
import type { EffectiveAnswer, Freshness as FreshnessOf } from '../src/entitlements/read.ts';
import type { RecordedChange } from '../src/model/change.ts';
import type { EntitlementPath as Path } from '../src/model/entitlement.ts';
import type { SyncHealth as SyncHealthOf } from '../src/ops/health.ts';
import { builder } from './builder.ts';
import type { RoleRow } from './role-rows.ts';

const authScopes = { scope: 'DIRECTORY_READ' } as const;

export const Organization = builder.prismaObject('Organization', { authScopes });
export const Directory = builder.prismaObject('Directory', { authScopes });
export const User = builder.prismaObject('DirectoryUser', { name: 'User', authScopes });
export const Group = builder.prismaObject('DirectoryGroup', { name: 'Group', authScopes });

export const Role = builder.objectRef<RoleRow>('Role');
export const GroupMapping = builder.prismaObject('GroupMapping', {});
export const Grant = builder.prismaObject('Grant', {});

export const EffectiveEntitlements = builder.objectRef<EffectiveAnswer>('EffectiveEntitlements');
export const EntitlementPath = builder.objectRef<Path>('EntitlementPath');
export const Freshness = builder.objectRef<FreshnessOf>('Freshness');
export const EntitlementChange = builder.objectRef<RecordedChange>('EntitlementChange');

export const DirectoryEvent = builder.prismaObject('DirectoryEvent', {});
export const Replay = builder.prismaObject('Replay', {});
export const DriftReport = builder.prismaObject('DriftReport', {});
export const SyncHealth = builder.objectRef<SyncHealthOf>('SyncHealth');
