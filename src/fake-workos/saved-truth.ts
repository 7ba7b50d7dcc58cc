// The truth as JSON: what was so before the first event that is still kept.
import { z } from 'zod';
import { directoryShape, groupShape, organizationShape, userShape } from './shapes.ts';

export const savedTruthShape = z.object({
  organizations: z.array(organizationShape),
  directories: z.array(directoryShape),
  users: z.array(userShape),
  groups: z.array(groupShape),
  /** User id, group id. */
  memberships: z.array(z.tuple([z.string(), z.string()])),
  deletedIds: z.array(z.string()),
});

export type SavedTruth = z.infer<typeof savedTruthShape>;
