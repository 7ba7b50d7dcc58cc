// The objects inside events, as far as the truth needs to understand them. Unknown fields are kept and served again.
import { z } from 'zod';
import { parseTime } from './history.ts';

const id = z.string().min(1);
const time = z.string().refine((text) => !Number.isNaN(parseTime(text)), 'not a date');
const organizationId = id.nullish().transform((value) => value ?? null);

export const organizationShape = z.looseObject({ id, name: z.string(), updated_at: time });

export const directoryShape = z.looseObject({
  id,
  organization_id: organizationId,
  name: z.string(),
  type: z.string(),
  state: z.string(),
  created_at: time,
  updated_at: time,
});

export const userShape = z.looseObject({
  id,
  directory_id: id,
  organization_id: organizationId,
  idp_id: z.string().nullish(),
  email: z.string().nullish(),
  state: z.enum(['active', 'suspended', 'inactive']),
  created_at: time,
  updated_at: time,
});

export const groupShape = z.looseObject({
  id,
  directory_id: id,
  organization_id: organizationId,
  name: z.string(),
  created_at: time,
  updated_at: time,
});

export const membershipShape = z.looseObject({ directory_id: id.optional(), user: userShape, group: groupShape });

export type OrganizationObject = z.infer<typeof organizationShape>;
export type DirectoryObject = z.infer<typeof directoryShape>;
export type UserObject = z.infer<typeof userShape>;
export type GroupObject = z.infer<typeof groupShape>;
