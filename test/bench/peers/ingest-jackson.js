// @boxyhq/saml-jackson's directory sync over its Postgres engine, fed the first people of the same company as a SCIM directory
// pushes them: POST for each user, and for each group when its first member comes, PATCH for each membership. Without HTTP in between and without webhooks to send,
// both to its advantage; one request after the other, as a provider sends them about one directory. Pages are read from the same
// source first; the clock runs while they are handed over, for MAX_SECONDS. Counted are the events that have become requests.
import jackson from '@boxyhq/saml-jackson';

const { DATABASE_URL, SOURCE, MAX_SECONDS = '5' } = process.env;
const MORE_THAN_IT_CAN = 5_000;
const silent = { info() {}, error() {}, warn() {}, debug() {} };

const { directorySyncController } = await (jackson.controllers ?? jackson.default)({
  externalUrl: 'http://127.0.0.1:1',
  samlPath: '/sso',
  scimPath: '/scim',
  db: { engine: 'sql', type: 'postgres', url: DATABASE_URL },
  logger: silent,
});

const TYPES = 'dsync.activated,dsync.user.created,dsync.group.user_added';
const events = [];
for (let after = ''; after !== null && events.length < MORE_THAN_IT_CAN; ) {
  const answer = await fetch(`${SOURCE}/events?events=${TYPES}&limit=100${after && `&after=${after}`}`, {
    headers: { authorization: 'Bearer sk_fake_workos' },
  });
  const page = await answer.json();
  events.push(...page.data);
  after = page.list_metadata.after;
}

const directories = new Map();
const ids = new Map();

async function request(directory, method, resourceType, { resourceId, body, operations }) {
  const { status, data } = await directorySyncController.requests.handle({
    method,
    body,
    resourceType,
    resourceId,
    directoryId: directory.id,
    apiSecret: directory.scim.secret,
    query: {},
    ...(operations && { body: { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations: operations } }),
  });
  if (status >= 300) throw new Error(`${method} ${resourceType}: ${status} ${JSON.stringify(data)}`);
  return data;
}

async function hand({ event, data }) {
  if (event === 'dsync.activated') {
    const made = await directorySyncController.directories.create({
      tenant: data.id,
      product: 'bench',
      type: 'okta-scim-v2',
      name: data.name,
    });
    if (made.error) throw new Error(JSON.stringify(made.error));
    directories.set(data.id, made.data);
    return;
  }
  const directory = directories.get(data.directory_id);
  if (event === 'dsync.user.created') {
    const body = {
      userName: data.email,
      name: { givenName: data.first_name, familyName: data.last_name },
      emails: data.emails,
      active: true,
    };
    ids.set(data.id, (await request(directory, 'POST', 'Users', { body })).id);
    return;
  }
  const { user, group } = data;
  if (!ids.has(group.id))
    ids.set(group.id, (await request(directory, 'POST', 'Groups', { body: { displayName: group.name, members: [] } })).id);
  const operations = [{ op: 'add', path: 'members', value: [{ value: ids.get(user.id), display: user.email }] }];
  await request(directory, 'PATCH', 'Groups', { resourceId: ids.get(group.id), operations });
}

const startedAt = performance.now();
let count = 0;
for (const event of events) {
  if (performance.now() - startedAt > Number(MAX_SECONDS) * 1_000) break;
  await hand(event);
  count += 1;
}
process.stdout.write(`done ${count} ${(performance.now() - startedAt) / 1_000}\n`);
process.exit(0);
