// Ingest as a tutorial would do it: one page after the other, for each event one transaction of Prisma's with upserts, the event
// itself and the cursor. Access is computed as a tutorial would, when it is asked for: nothing is derived here, neither
// entitlements nor a change log nor intervals; that is its advantage, as are the missing checks of versions and tombstones,
// of which the columns that it must fill hold the event's id. Works for MAX_SECONDS, then prints `done EVENTS SECONDS`.
import { openDb, type Tx } from '../../src/db/client.ts';

interface Thing {
  id: string;
  directory_id: string;
  organization_id: string;
  idp_id: string;
  email: string;
  first_name: string;
  last_name: string;
  name: string;
  type: string;
  state: string;
  custom_attributes: object;
  roles?: { slug: string }[];
  created_at: string;
  updated_at: string;
  user: Thing;
  group: Thing;
}

interface SourceEvent {
  id: string;
  event: string;
  data: Thing;
  created_at: string;
}

const { DATABASE_URL = '', SOURCE = '', MAX_SECONDS = '5' } = process.env;
const TYPES = ['activated', 'deleted', 'user.created', 'user.updated', 'user.deleted', 'group.created', 'group.updated', 'group.deleted']
  .concat('group.user_added', 'group.user_removed')
  .map((type) => `dsync.${type}`)
  .join(',');
const { db, close } = openDb({ url: DATABASE_URL, poolSize: 4, statementTimeoutMs: 60_000, applicationName: 'tutorial' });

const STATES = { active: 'ACTIVE', suspended: 'SUSPENDED', inactive: 'INACTIVE' } as const;

async function saveUser(tx: Tx, user: Thing, version: string): Promise<void> {
  const state = STATES[user.state as keyof typeof STATES];
  const row = {
    directoryId: user.directory_id,
    organizationId: user.organization_id,
    idpId: user.idp_id,
    email: user.email,
    firstName: user.first_name,
    lastName: user.last_name,
    displayName: `${user.first_name} ${user.last_name}`,
    sourceState: state,
    state,
    customAttributes: user.custom_attributes,
    directoryRoles: (user.roles ?? []).map(({ slug }) => slug),
    createdAt: user.created_at,
    updatedAt: user.updated_at,
    sourceVersion: version,
  };
  await tx.directoryUser.upsert({ where: { id: user.id }, create: { id: user.id, ...row }, update: row });
}

async function saveGroup(tx: Tx, group: Thing, version: string): Promise<void> {
  const row = {
    directoryId: group.directory_id,
    organizationId: group.organization_id,
    idpId: group.idp_id,
    name: group.name,
    createdAt: group.created_at,
    updatedAt: group.updated_at,
    sourceVersion: version,
  };
  await tx.directoryGroup.upsert({ where: { id: group.id }, create: { id: group.id, ...row }, update: row });
}

async function saveMembership(tx: Tx, { id, data, created_at }: SourceEvent, present: boolean): Promise<void> {
  const [userId, groupId] = [data.user.id, data.group.id];
  const row = {
    directoryId: data.group.directory_id,
    organizationId: data.group.organization_id,
    present,
    active: present,
    version: id,
    since: created_at,
    causeEventId: id,
  };
  await tx.membership.upsert({ where: { userId_groupId: { userId, groupId } }, create: { userId, groupId, ...row }, update: row });
}

async function saveDirectory(tx: Tx, { id, data }: SourceEvent): Promise<void> {
  const organization = { name: data.name, sourceUpdatedAt: data.updated_at, sourceVersion: id };
  await tx.organization.upsert({
    where: { id: data.organization_id },
    create: { id: data.organization_id, ...organization },
    update: organization,
  });
  const row = { organizationId: data.organization_id, name: data.name, type: data.type, sourceState: 'ACTIVE', state: 'ACTIVE' } as const;
  const times = { sourceUpdatedAt: data.updated_at, sourceVersion: id };
  await tx.directory.upsert({ where: { id: data.id }, create: { id: data.id, ...row, ...times }, update: { ...row, ...times } });
}

async function handle(event: SourceEvent): Promise<void> {
  const { id, data } = event;
  await db.$transaction(async (tx) => {
    switch (event.event) {
      case 'dsync.activated':
        await saveDirectory(tx, event);
        break;
      case 'dsync.user.created':
      case 'dsync.user.updated':
        await saveUser(tx, data, id);
        break;
      case 'dsync.user.deleted':
        await tx.directoryUser.updateMany({ where: { id: data.id }, data: { state: 'DELETED', deletedVersion: id } });
        break;
      case 'dsync.group.created':
      case 'dsync.group.updated':
        await saveGroup(tx, data, id);
        break;
      case 'dsync.group.deleted':
        await tx.directoryGroup.updateMany({ where: { id: data.id }, data: { deleted: true, deletedVersion: id } });
        break;
      case 'dsync.group.user_added':
        await saveUser(tx, data.user, id);
        await saveGroup(tx, data.group, id);
        await saveMembership(tx, event, true);
        break;
      case 'dsync.group.user_removed':
        await saveMembership(tx, event, false);
        break;
    }
    const partition = data.organization_id ?? data.user?.organization_id;
    await tx.directoryEvent.create({
      data: {
        id,
        type: event.event,
        partition,
        raw: JSON.stringify(event),
        status: 'APPLIED',
        channel: 'EVENTS_API',
        occurredAt: event.created_at,
      },
    });
    await tx.syncCursor.update({ where: { id: 'events' }, data: { eventId: id, eventCreatedAt: event.created_at } });
  });
}

const startedAt = performance.now();
const isTimeLeft = (): boolean => performance.now() - startedAt < Number(MAX_SECONDS) * 1_000;
let count = 0;
for (let after: string | null = ''; after !== null && isTimeLeft(); ) {
  const answer: Response = await fetch(`${SOURCE}/events?events=${TYPES}&limit=100${after && `&after=${after}`}`, {
    headers: { authorization: 'Bearer sk_fake_workos' },
  });
  const page = (await answer.json()) as { data: SourceEvent[]; list_metadata: { after: string | null } };
  for (const event of page.data) {
    if (!isTimeLeft()) break;
    await handle(event);
    count += 1;
  }
  after = page.list_metadata.after;
}
process.stdout.write(`done ${count} ${(performance.now() - startedAt) / 1_000}\n`);
await close();
