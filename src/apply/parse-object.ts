// Pure: WorkOS objects, as events and the state API spell them (snake_case JSON), into our own vocabulary. Only what access
// depends on is required; unknown fields are let through. Source: WorkOS API reference, seen again in SDK 11.0.0's response types.
import { z } from 'zod';
import type {
  DirectoryState,
  SourceDirectory,
  SourceGroup,
  SourceOrganization,
  SourcePermission,
  SourceRole,
  SourceUser,
} from '../model/fact.ts';

const id = z.string().min(1).max(255);
const optionalText = z
  .string()
  .nullish()
  .transform((value) => value ?? null);
const slug = z.string().min(1).max(255);

const TIME = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(Z|[+-]\d\d:?\d\d)?$/;

/**
 * ISO 8601, or `2023-04-28 20:05:31.093` without a zone as some samples have it: always UTC. What lies before 1970 is the
 * zero of somebody's clock and counts as 1970: older than every real time, and within what the database can hold.
 */
export const timestamp = z.string().transform((text, context) => {
  const [, date, clock, zone = 'Z'] = TIME.exec(text) ?? [];
  const time = new Date(`${date}T${clock}${zone}`).getTime();
  if (!Number.isNaN(time)) return new Date(Math.max(0, time));
  context.addIssue({ code: 'custom', message: 'is not a time' });
  return z.NEVER;
});

/** Events say active and inactive where the API says linked and unlinked. */
const directoryState = z
  .enum(['active', 'linked', 'validating', 'invalid_credentials', 'inactive', 'unlinked', 'deleting', 'deleted'])
  .transform((state): DirectoryState => {
    switch (state) {
      case 'active':
      case 'linked':
        return 'ACTIVE';
      case 'validating':
        return 'VALIDATING';
      case 'invalid_credentials':
        return 'INVALID_CREDENTIALS';
      case 'inactive':
      case 'unlinked':
        return 'INACTIVE';
      case 'deleting':
      case 'deleted':
        return 'DELETED';
    }
  });

export const organization = z
  .object({ id, name: optionalText, updated_at: timestamp })
  .transform((o): SourceOrganization => ({ id: o.id, name: o.name, updatedAt: o.updated_at }));

export const directory = z
  .object({ id, organization_id: id.nullish(), name: z.string(), type: z.string(), state: directoryState, updated_at: timestamp })
  .transform(
    (d): SourceDirectory => ({
      id: d.id,
      organizationId: d.organization_id ?? null,
      name: d.name,
      type: d.type,
      state: d.state,
      updatedAt: d.updated_at,
    }),
  );

const roleName = z.object({ slug });

const displayName = (u: {
  id: string;
  idp_id: string | null;
  email: string | null;
  name: string | null;
  first_name: string | null;
  last_name: string | null;
}): string => [u.name, [u.first_name, u.last_name].filter(Boolean).join(' '), u.email, u.idp_id].find((text) => text) ?? u.id;

export const user = z
  .object({
    id,
    directory_id: id,
    organization_id: id.nullish(),
    idp_id: optionalText,
    email: optionalText,
    first_name: optionalText,
    last_name: optionalText,
    name: optionalText,
    state: z.enum(['active', 'suspended', 'inactive']),
    custom_attributes: z.record(z.string(), z.unknown()).nullish(),
    role: roleName.nullish(),
    roles: z.array(roleName).nullish(),
    created_at: timestamp,
    updated_at: timestamp,
  })
  .transform(
    (u): SourceUser => ({
      id: u.id,
      directoryId: u.directory_id,
      organizationId: u.organization_id ?? null,
      idpId: u.idp_id,
      email: u.email,
      firstName: u.first_name,
      lastName: u.last_name,
      displayName: displayName(u),
      state: u.state === 'active' ? 'ACTIVE' : u.state === 'suspended' ? 'SUSPENDED' : 'INACTIVE',
      customAttributes: u.custom_attributes ?? {},
      directoryRoles: [...new Set([...(u.role ? [u.role] : []), ...(u.roles ?? [])].map((role) => role.slug))].sort(),
      createdAt: u.created_at,
      updatedAt: u.updated_at,
    }),
  );

export const group = z
  .object({
    id,
    directory_id: id,
    organization_id: id.nullish(),
    idp_id: optionalText,
    name: z.string(),
    created_at: timestamp,
    updated_at: timestamp,
  })
  .transform(
    (g): SourceGroup => ({
      id: g.id,
      directoryId: g.directory_id,
      organizationId: g.organization_id ?? null,
      idpId: g.idp_id,
      name: g.name,
      createdAt: g.created_at,
      updatedAt: g.updated_at,
    }),
  );

const roleFields = z.object({
  slug,
  name: optionalText,
  description: optionalText,
  permissions: z.array(slug).nullish(),
  updated_at: timestamp,
});

const toRole = (r: z.output<typeof roleFields>, organizationId: string): SourceRole => ({
  organizationId,
  slug: r.slug,
  name: r.name ?? r.slug,
  description: r.description,
  permissions: [...new Set(r.permissions ?? [])].sort(),
  updatedAt: r.updated_at,
});

/** Of every organization: `role.*` events, which carry no name. */
export const role = roleFields.transform((r) => toRole(r, ''));

/** Of the one that it names, never of all: `organization_role.*` events. */
export const organizationRole = roleFields.extend({ organization_id: id }).transform((r) => toRole(r, r.organization_id));

export const permission = z
  .object({ slug, name: optionalText, description: optionalText, updated_at: timestamp })
  .transform((p): SourcePermission => ({ slug: p.slug, name: p.name ?? p.slug, description: p.description, updatedAt: p.updated_at }));

export const membership = z.object({ directory_id: id, user, group });

/** What is wrong and where, for people. */
export const describeIssues = (error: z.ZodError, at: string): string =>
  error.issues
    .slice(0, 5)
    .map((issue) => `${[at, ...issue.path].join('.')}: ${issue.message}`)
    .join('; ');
