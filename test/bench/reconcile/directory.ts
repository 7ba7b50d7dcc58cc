// The fake WorkOS of run.ts, as a process of its own: one directory of so many users and groups, of which no
// event tells (they are older than what the Events API keeps). Prints its address when the directory stands.
//
//   node test/bench/reconcile/directory.ts USERS GROUPS
import { startFakeWorkos } from '../../../src/fake-workos/server.ts';
import { createLogger } from '../../../src/log.ts';
import { directory, groupId, groupObject, groupsOf, member, userObject } from './objects.ts';

const [users = 0, groups = 0] = process.argv.slice(2).map(Number);
const fake = await startFakeWorkos({ log: createLogger('error'), source: { kind: 'scripted' }, holdBackMs: 1_000 });
const tell = (event: string, data: unknown): void => void fake.publish({ event, data }, { viaApi: false });
tell('dsync.activated', directory);
for (let n = 0; n < groups; n += 1) tell('dsync.group.created', groupObject(groupId(n)));
for (let n = 0; n < users; n += 1) {
  const user = userObject(n);
  tell('dsync.user.created', user);
  for (const id of groupsOf(n, groups)) tell('dsync.group.user_added', member(user, id));
}
process.stdout.write(`${fake.url}\n`);
