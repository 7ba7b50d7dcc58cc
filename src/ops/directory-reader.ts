// Pages of one directory from the state API, for whoever reads it whole: the import and the reconciliation share one reader,
// so together they keep to WorkOS' limit of requests to /directory_users of one directory. Members are asked for by group:
// `groups` on a user is empty for new customers.
import { sleep } from '../lib/sleep.ts';
import type { Page, WorkosClient } from '../workos/client.ts';
import { WorkosError } from '../workos/workos-error.ts';

export interface DirectoryReader {
  users(directoryId: string, after: string | null, signal: AbortSignal): Promise<Page>;
  groups(directoryId: string, after: string | null, signal: AbortSignal): Promise<Page>;
  /** Of as many of these groups as make a fair transaction, from `place` on; none: there are no more. */
  members(
    directoryId: string,
    place: MemberPlace,
    groups: NextGroups,
    signal: AbortSignal,
  ): Promise<{ pages: MemberPage[]; place: MemberPlace }>;
}

export interface DirectoryReaderDeps {
  workos: Pick<WorkosClient, 'listUsers' | 'listGroups'>;
  clock: () => Date;
  /** WorkOS allows 4 requests a second to /directory_users of one directory; Infinity against a stand-in. */
  userRequestsPerSecond: number;
}

export interface MemberPage {
  groupId: string;
  items: unknown[];
}

/** The group that was read last, and where its next page begins; null: it was read to its end. */
export interface MemberPlace {
  groupId: string | null;
  pageAfter: string | null;
}

/** Ids of the groups after this one, in order. */
export type NextGroups = (afterId: string, limit: number) => Promise<string[]>;

const PAGE_SIZE = 100;
const GROUPS_PER_STEP = 25;
const MEMBERS_PER_STEP = 250;

const whenGone = (error: unknown): Pick<Page, 'items' | 'after'> => {
  // A group that was deleted since it was listed has no members; the event that says so will follow.
  if (error instanceof WorkosError && error.kind === 'not_found') return { items: [], after: null };
  throw error;
};

/** A page without anything says that the rest is gone, so it is looked at twice. */
async function lookTwice(read: () => Promise<Page>): Promise<Page> {
  const page = await read();
  return page.items.length > 0 || page.after !== null ? page : read();
}

export function createDirectoryReader({ workos, clock, userRequestsPerSecond }: DirectoryReaderDeps): DirectoryReader {
  const nextAtMs = new Map<string, number>();

  /** Takes its place in the line at once, so that two readers of one directory wait for each other. */
  async function pace(directoryId: string, signal: AbortSignal): Promise<void> {
    const nowMs = clock().getTime();
    const atMs = Math.max(nowMs, nextAtMs.get(directoryId) ?? 0);
    nextAtMs.set(directoryId, atMs + 1_000 / userRequestsPerSecond);
    await sleep(atMs - nowMs, signal);
    signal.throwIfAborted();
  }

  const listUsers = (
    directoryId: string,
    of: { directoryId: string } | { groupId: string },
    after: string | null,
    signal: AbortSignal,
  ): Promise<Page> =>
    lookTwice(async () => {
      await pace(directoryId, signal);
      return workos.listUsers({ ...of, after: after ?? undefined, limit: PAGE_SIZE, signal });
    });

  return {
    users: (directoryId, after, signal) => listUsers(directoryId, { directoryId }, after, signal),

    groups: (directoryId, after, signal) =>
      lookTwice(() => workos.listGroups({ directoryId, after: after ?? undefined, limit: PAGE_SIZE, signal })),

    async members(directoryId, { groupId, pageAfter }, nextGroups, signal) {
      const pages: MemberPage[] = [];
      let place: MemberPlace = { groupId, pageAfter };
      // A group with pages left comes first.
      const ids = [...(pageAfter && groupId ? [groupId] : []), ...(await nextGroups(groupId ?? '', GROUPS_PER_STEP))];
      let taken = 0;
      for (const id of ids) {
        const page = await listUsers(directoryId, { groupId: id }, place.pageAfter, signal).catch(whenGone);
        pages.push({ groupId: id, items: page.items });
        place = { groupId: id, pageAfter: page.after };
        taken += page.items.length;
        if (page.after || taken >= MEMBERS_PER_STEP) break;
      }
      return { pages, place };
    },
  };
}
