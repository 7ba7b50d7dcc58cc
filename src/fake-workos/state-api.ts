// Pure: the Directory Sync state API over the truth. Users always carry `groups: []`, as new WorkOS customers get it;
// states of directories are named as the API names them, which is not how events name them.
import { page } from './paging.ts';
import { notFound, ok, type Reply } from './replies.ts';
import type { DirectoryObject, UserObject } from './shapes.ts';
import type { Truth } from './truth.ts';

const API_STATES: Readonly<Record<string, string>> = { active: 'linked', inactive: 'unlinked' };

/** The answer to GET `path`, or undefined when the path is none of ours. */
export function answerState(truth: Truth, path: string, query: URLSearchParams): Reply | undefined {
  const [, collection, id, ...rest] = path.split('/');
  if (rest.length > 0) return undefined;
  switch (collection) {
    case 'directories':
      return id === undefined ? listDirectories(truth, query) : found(truth.directories.get(id), 'Directory', id, showDirectory(truth));
    case 'directory_users':
      return id === undefined ? listUsers(truth, query) : found(truth.users.get(id), 'Directory User', id, showUser);
    case 'directory_groups':
      return id === undefined ? listGroups(truth, query) : found(truth.groups.get(id), 'Directory Group', id, (group) => group);
    case 'organizations':
      return id === undefined ? undefined : found(truth.organizations.get(id), 'Organization', id, (organization) => organization);
    default:
      return undefined;
  }
}

const found = <T>(object: T | undefined, what: string, id: string, show: (object: T) => unknown): Reply =>
  object === undefined ? notFound(what, id) : ok(show(object));

function listDirectories(truth: Truth, query: URLSearchParams): Reply {
  const organizationId = query.get('organization_id');
  const search = query.get('search')?.toLowerCase();
  const items = [...truth.directories.values()].filter(
    (directory) =>
      (organizationId === null || directory.organization_id === organizationId) &&
      (search === undefined || directory.name.toLowerCase().includes(search)),
  );
  return page({ items, rankOf: truth.rankOf }, query, showDirectory(truth));
}

function listUsers(truth: Truth, query: URLSearchParams): Reply {
  const directoryId = query.get('directory');
  const groupId = query.get('group');
  const idpId = query.get('idp_id');
  const email = query.get('email')?.toLowerCase();
  if (directoryId !== null && !truth.directories.has(directoryId)) return notFound('Directory', directoryId);
  if (groupId !== null && !truth.groups.has(groupId)) return notFound('Directory Group', groupId);
  const members = groupId === null ? undefined : new Set(truth.membersOf(groupId));
  const items = [...truth.users.values()].filter(
    (user) =>
      (directoryId === null || user.directory_id === directoryId) &&
      (members === undefined || members.has(user.id)) &&
      (idpId === null || user.idp_id === idpId) &&
      (email === undefined || user.email?.toLowerCase() === email),
  );
  return page({ items, rankOf: truth.rankOf }, query, showUser);
}

function listGroups(truth: Truth, query: URLSearchParams): Reply {
  const directoryId = query.get('directory');
  const userId = query.get('user');
  if (directoryId !== null && !truth.directories.has(directoryId)) return notFound('Directory', directoryId);
  if (userId !== null && !truth.users.has(userId)) return notFound('Directory User', userId);
  const joined = userId === null ? undefined : new Set(truth.groupsOf(userId));
  const items = [...truth.groups.values()].filter(
    (group) => (directoryId === null || group.directory_id === directoryId) && (joined === undefined || joined.has(group.id)),
  );
  return page({ items, rankOf: truth.rankOf }, query, (group) => group);
}

const showUser = (user: UserObject): unknown => ({ ...user, groups: [] });

const showDirectory =
  (truth: Truth) =>
  (directory: DirectoryObject): unknown => {
    const users = [...truth.users.values()].filter((user) => user.directory_id === directory.id);
    const active = users.filter((user) => user.state === 'active').length;
    const groups = [...truth.groups.values()].filter((group) => group.directory_id === directory.id).length;
    const state = API_STATES[directory.state] ?? directory.state;
    return { ...directory, state, metadata: { users: { active, inactive: users.length - active }, groups } };
  };
