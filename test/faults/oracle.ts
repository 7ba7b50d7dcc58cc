// The oracle, once for all faults: what the fake WorkOS says is true. `violations` lists everything in which the service, its
// log and its subscribers differ from that now; when things have gone quiet, the list must be empty.
import { setTimeout as delay } from 'node:timers/promises';
import { decodeCursor } from '../../src/model/cursor.ts';
import { expectInvariants } from '../support/invariants.ts';
import { differencesFromTruth } from '../support/truth.ts';
import { waitFor } from '../support/wait-for.ts';
import { inShort, type Subscriber } from './subscriber.ts';
import type { World } from './world.ts';

interface LogEntry {
  position: number;
  organizationId: string;
  change: string;
}

const FEW = 5;
const few = (items: readonly string[], what: string): string[] =>
  items.length === 0 ? [] : [`${what}: ${items.slice(0, FEW).join('; ')}${items.length > FEW ? ` and ${items.length - FEW} more` : ''}`];

/** What is not applied, or not told to every subscriber, yet; also while a part of the world is out of order. */
export async function missing(world: World): Promise<string[]> {
  const { db, fake, nodes } = world;
  const differences = [...(await differencesFromTruth(db, fake.truth())), ...(await groupDifferences(world))];
  return [
    ...nodes.flatMap((node) => node.deaths().map((death) => `a process died: ${death}`)),
    ...(await inboxViolations(world)),
    ...few(differences, 'I1, state and truth differ'),
    ...(await feedViolations(world)),
  ];
}

/** Every difference now; empty when the service is in step and everybody was told. */
export async function violations(world: World): Promise<string[]> {
  const found = [...(await missing(world)), ...(await relayViolations(world))];
  if (found.length > 0) return found;
  return expectInvariants(world.db).then(
    () => [],
    (error: unknown) => [`I2, I3: ${error instanceof Error ? error.message.slice(0, 1_500) : String(error)}`],
  );
}

async function groupDifferences({ db, fake }: World): Promise<string[]> {
  const groups = new Map((await db.directoryGroup.findMany({ where: { deleted: false } })).map(({ id, name }) => [id, name]));
  const found: string[] = [];
  for (const { id, name } of fake.truth().groups.values()) {
    if (groups.get(id) !== name) found.push(`${id} is ${groups.get(id) ?? 'missing'}, not ${name}`);
    groups.delete(id);
  }
  return [...found, ...[...groups.keys()].map((id) => `${id} should not be there`)];
}

async function inboxViolations({ db, published, poison }: World): Promise<string[]> {
  const inbox = new Map(
    (await db.directoryEvent.findMany({ select: { id: true, status: true, error: true } })).map((event) => [event.id, event]),
  );
  const cursor = (await db.syncCursor.findFirst())?.eventId ?? null;
  const upToCursor = published.filter((id) => cursor !== null && id <= cursor);
  const end = published.at(-1) ?? null;
  return [
    ...few(
      upToCursor.filter((id) => !inbox.has(id)),
      'I5, the cursor is ahead of the inbox, which lacks',
    ),
    ...(cursor !== null && !inbox.has(cursor) ? [`I5, the cursor ${cursor} is not in the inbox`] : []),
    ...(cursor === end ? [] : [`the Events API was read up to ${cursor}, not to its end ${end}`]),
    ...few(
      published.filter((id) => !inbox.has(id)),
      'not in the inbox',
    ),
    ...few(
      [...inbox.values()].filter(({ status }) => status === 'PENDING').map(({ id, error }) => `${id} ${error ?? ''}`),
      'not applied',
    ),
    ...few(
      [...inbox.values()]
        .filter(({ id, status }) => (status === 'QUARANTINED') !== poison.has(id))
        .map(({ id, status, error }) => `${id} ${status} ${error ?? ''}`),
      'quarantined, or not, against expectation',
    ),
  ];
}

async function feedViolations({ db, subscribers }: World): Promise<string[]> {
  const head = await db.changeLogHead.findFirstOrThrow();
  const log = (await db.entitlementChange.findMany({ orderBy: { position: 'asc' } })).map(
    (row): LogEntry => ({ position: Number(row.position), organizationId: row.organizationId, change: inShort(row) }),
  );
  return subscribers.flatMap((subscriber) => subscriberViolations(subscriber, head.logId, log));
}

async function relayViolations({ db }: World): Promise<string[]> {
  const { relayedPosition, position } = await db.changeLogHead.findFirstOrThrow();
  return relayedPosition === position ? [] : [`the relay handed on up to ${relayedPosition} of ${position}`];
}

/** I4: exactly its part of the log from where it began, in order, once. */
function subscriberViolations({ name, organizationId, received, failure }: Subscriber, logId: string, log: readonly LogEntry[]): string[] {
  const failed = failure();
  if (failed !== null) return [`I4, ${name} failed: ${failed}`];
  const positionOf = (cursor: string): number => Number(decodeCursor(logId, cursor));
  const first = received[0];
  if (!first) return [`I4, ${name} has received nothing`];
  const start = first.change === null ? positionOf(first.cursor) : positionOf(first.cursor) - 1;
  const due = log.filter((entry) => entry.position > start && (organizationId === null || entry.organizationId === organizationId));
  const got = received.filter(({ change }) => change !== null).map(({ cursor, change }) => `${positionOf(cursor)} ${change}`);
  const expected = due.map(({ position, change }) => `${position} ${change}`);
  const wrong = got.findIndex((entry, index) => entry !== expected[index]);
  if (wrong >= 0) return [`I4, ${name} received as number ${wrong + 1} "${got[wrong]}", not "${expected[wrong] ?? 'nothing'}"`];
  if (got.length < expected.length) return [`I4, ${name} lacks ${expected.length - got.length} changes, from "${expected[got.length]}"`];
  const cursors = received.map(({ cursor }) => positionOf(cursor));
  return cursors.some((position, index) => position < (cursors[index - 1] ?? 0)) ? [`I4, cursors of ${name} go back`] : [];
}

/** Waits until all is quiet and true; says what was missing. */
export async function expectTruth(world: World, timeoutMs = 60_000): Promise<void> {
  await world.fake.delivered();
  await waitFor('the service to be in step with the truth', async () => (await violations(world)).length === 0, {
    timeoutMs,
    everyMs: 150,
    missing: () => violations(world),
  });
}

/**
 * For controls: the violations that stay though the service has had its time. Empty only when all was well for that long:
 * then the control has passed, and the test that it belongs to shows nothing.
 */
export async function violationsThatStay(world: World, { forMs = 4_000, timeoutMs = 45_000 } = {}): Promise<string[]> {
  const deadline = performance.now() + timeoutMs;
  let last = '';
  let since = performance.now();
  let found: string[] = [];
  while (performance.now() < deadline) {
    found = await violations(world);
    if (found.join('\n') !== last) {
      last = found.join('\n');
      since = performance.now();
    }
    if (performance.now() - since >= forMs) return found;
    await delay(200);
  }
  return found;
}
