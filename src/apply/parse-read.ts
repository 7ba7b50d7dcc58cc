// Pure: what the state API answered → facts, in the same vocabulary as events. `kind` and the list are what state_read keeps,
// so a replay reads the local log by the same function.
import type { z } from 'zod';
import type { Fact, SourceGroup, SourceUser, Subject } from '../model/fact.ts';
import { describeIssues, directory, group, user } from './parse-object.ts';

export type StateReadKind = 'DIRECTORY' | 'USERS' | 'GROUPS' | 'MEMBERS' | 'USER_GROUPS' | 'USER_GONE' | 'GROUP_GONE' | 'COMPLETE';

export interface StateReadPage {
  directoryId: string;
  kind: StateReadKind;
  /** MEMBERS: the group whose users these are; GROUP_GONE: the group that is no more. */
  group: Subject | null;
  /** USER_GROUPS: the user whose groups these are; USER_GONE: the user that is no more. */
  userId: string | null;
  items: readonly unknown[];
}

export type ParsedRead = { kind: 'facts'; facts: Fact[] } | { kind: 'refused'; reason: string };

function parseAll<T>(items: readonly unknown[], schema: z.ZodType<T>): T[] | string {
  const parsed: T[] = [];
  for (const [index, item] of items.entries()) {
    const result = schema.safeParse(item);
    if (!result.success) return describeIssues(result.error, `item ${index}`);
    parsed.push(result.data);
  }
  return parsed;
}

export const parseUsers = (items: readonly unknown[]): SourceUser[] | string => parseAll(items, user);
export const parseGroups = (items: readonly unknown[]): SourceGroup[] | string => parseAll(items, group);
export const parseDirectories = (items: readonly unknown[]) => parseAll(items, directory);

const facts = <T>(parsed: T[] | string, toFacts: (item: T) => Fact[]): ParsedRead =>
  typeof parsed === 'string' ? { kind: 'refused', reason: parsed } : { kind: 'facts', facts: parsed.flatMap(toFacts) };

/** A page in which one object cannot be understood is refused whole: a partial read must not pass for a full one. */
export function parseRead(page: StateReadPage): ParsedRead {
  switch (page.kind) {
    case 'DIRECTORY':
      return facts(parseDirectories(page.items), (d) => [{ kind: 'directorySeen', directory: d, alive: true }]);
    case 'USERS':
      return facts(parseUsers(page.items), (u) => [{ kind: 'userSeen', user: u, alive: true, read: true }]);
    case 'GROUPS':
      return facts(parseGroups(page.items), (g) => [{ kind: 'groupSeen', group: g, alive: true }]);
    case 'MEMBERS': {
      const { group: of } = page;
      if (!of) return { kind: 'refused', reason: 'members of no group' };
      return facts(parseUsers(page.items), (u) => [
        { kind: 'userSeen', user: u, alive: true, read: true },
        { kind: 'memberAdded', userId: u.id, group: of },
      ]);
    }
    case 'USER_GROUPS': {
      const { userId: of } = page;
      if (of === null) return { kind: 'refused', reason: 'groups of no user' };
      const shown = facts(parseGroups(page.items), (g) => [
        { kind: 'groupSeen', group: g, alive: true },
        { kind: 'memberAdded', userId: of, group: g },
      ]);
      return shown.kind === 'refused'
        ? shown
        : { kind: 'facts', facts: [...shown.facts, { kind: 'userGroupsRead', userId: of, directoryId: page.directoryId }] };
    }
    case 'USER_GONE':
      if (page.userId === null) return { kind: 'refused', reason: 'nobody is gone' };
      return { kind: 'facts', facts: [{ kind: 'userGone', userId: page.userId, directoryId: page.directoryId }] };
    case 'GROUP_GONE':
      if (!page.group) return { kind: 'refused', reason: 'no group is gone' };
      return { kind: 'facts', facts: [{ kind: 'groupGone', groupId: page.group.id, directoryId: page.directoryId }] };
    case 'COMPLETE':
      return { kind: 'facts', facts: [{ kind: 'directoryRead', directoryId: page.directoryId }] };
    default:
      return page.kind satisfies never;
  }
}
