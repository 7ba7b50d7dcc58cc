// How many users and groups WorkOS says that a directory has, in one request: `metadata` of a directory, raw, since the SDK
// drops it. An installation may leave it out.
import { z } from 'zod';

export interface DirectoryCounts {
  activeUsers: number;
  inactiveUsers: number;
  groups: number;
}

const count = z.int().min(0);
const shape = z.object({ metadata: z.object({ users: z.object({ active: count, inactive: count }), groups: count }) });

export function readCounts(directory: unknown): DirectoryCounts | null {
  const parsed = shape.safeParse(directory);
  if (!parsed.success) return null;
  const { users, groups } = parsed.data.metadata;
  return { activeUsers: users.active, inactiveUsers: users.inactive, groups };
}
