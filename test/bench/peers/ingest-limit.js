// The limit of ingest: the rows that the service has written for the same events (RECORDED, a database that it filled), put
// into the same tables by set-based statements, with no logic at all: whatever follows from an event is known before the
// clock starts, as JSON text. Pages are fetched and parsed from the same source, the next one while this one is written; inbox,
// cursor and all that follows go into one transaction per BATCH events. Only final rows are written, none is altered later.
import pg from 'pg';

const { DATABASE_URL, RECORDED, SOURCE, BATCH = '250' } = process.env;
const batchSize = Number(BATCH);

/** Table → the event that a row came of. */
const TABLES = {
  organization: 'coalesce((SELECT min(e.id) FROM directory_event e WHERE e.organization_id = t.id), source_version)',
  directory: 'alive_version',
  directory_user: "CASE WHEN alive_version = '' THEN seen_version ELSE alive_version END",
  directory_group: "CASE WHEN alive_version = '' THEN seen_version ELSE alive_version END",
  membership: 'version',
  membership_interval: "from_cause->>'eventId'",
  effective_entitlement: "from_cause->>'eventId'",
  entitlement_change: 'event_id',
};

const EVENTS = `
  INSERT INTO directory_event (id, type, partition, organization_id, directory_id, user_id, group_id, raw, status, channel, occurred_at, applied_at, trace_id)
  SELECT id, type, partition, organization_id, directory_id, user_id, group_id, raw, 'APPLIED', 'EVENTS_API', occurred_at, clock_timestamp(), trace_id
  FROM json_to_recordset($1::json) AS t(id text, type text, partition text, organization_id text, directory_id text, user_id text, group_id text, raw text, occurred_at timestamptz, trace_id text)`;
const CURSOR = 'UPDATE sync_cursor SET event_id = $1, event_created_at = $2, updated_at = now()';
const HEAD = 'UPDATE change_log_head SET position = position + $1, relayed_position = position + $1';

const TYPES = [
  'dsync.activated,dsync.deleted,dsync.user.created,dsync.user.updated,dsync.user.deleted',
  'dsync.group.created,dsync.group.updated,dsync.group.deleted,dsync.group.user_added,dsync.group.user_removed',
].join(',');

async function readRecorded() {
  const client = new pg.Client(RECORDED);
  await client.connect();
  const rows = {};
  for (const [table, event] of Object.entries(TABLES)) {
    const { rows: found } = await client.query({
      text: `SELECT ${event} AS event, to_json(t)::text AS row FROM ${table} t ORDER BY 1`,
      rowMode: 'array',
    });
    const byEvent = new Map();
    for (const [id, row] of found) {
      const of = byEvent.get(id);
      if (of) of.push(row);
      else byEvent.set(id, [row]);
    }
    rows[table] = byEvent;
  }
  await client.end();
  return rows;
}

async function fetchPage(after) {
  const url = `${SOURCE}/events?events=${TYPES}&limit=100${after === null ? '' : `&after=${after}`}`;
  const answer = await fetch(url, { headers: { authorization: 'Bearer sk_fake_workos' } });
  return answer.json();
}

function inboxRow(event) {
  const { data } = event;
  const of = data.user ?? data;
  return {
    id: event.id,
    type: event.event,
    partition: of.organization_id,
    organization_id: of.organization_id,
    directory_id: event.event.startsWith('dsync.user') || event.event.startsWith('dsync.group') ? of.directory_id : data.id,
    user_id: data.user?.id ?? (event.event.startsWith('dsync.user.') ? data.id : null),
    group_id: data.group?.id ?? (event.event.startsWith('dsync.group.') ? data.id : null),
    raw: JSON.stringify(event),
    occurred_at: event.created_at,
    trace_id: '0123456789abcdef0123456789abcdef',
  };
}

const recorded = await readRecorded();
const client = new pg.Client(DATABASE_URL);
await client.connect();
const prepared = (name, text, values) => client.query({ name, text, values });

async function write(events) {
  await client.query('BEGIN');
  await prepared('events', EVENTS, [JSON.stringify(events.map(inboxRow))]);
  const last = events.at(-1);
  await prepared('cursor', CURSOR, [last.id, last.created_at]);
  for (const [table, byEvent] of Object.entries(recorded)) {
    const rows = events.flatMap(({ id }) => byEvent.get(id) ?? []);
    if (rows.length === 0) continue;
    if (table === 'entitlement_change') await prepared('head', HEAD, [rows.length]);
    await prepared(table, `INSERT INTO ${table} SELECT * FROM json_populate_recordset(NULL::${table}, $1::json)`, [`[${rows.join(',')}]`]);
  }
  await client.query('COMMIT');
}

const startedAt = performance.now();
let count = 0;
let waiting = [];
for (let next = fetchPage(null); next; ) {
  const page = await next;
  const { after } = page.list_metadata;
  waiting.push(...page.data);
  const ends = after === null;
  next = ends ? null : fetchPage(after);
  while (waiting.length >= batchSize || (ends && waiting.length > 0)) {
    const batch = waiting.slice(0, batchSize);
    waiting = waiting.slice(batchSize);
    await write(batch);
    count += batch.length;
  }
}
process.stdout.write(`done ${count} ${(performance.now() - startedAt) / 1_000}\n`);
await client.end();
