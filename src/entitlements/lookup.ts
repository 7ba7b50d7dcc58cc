// The hot path: the effective access of users, for whoever asks. Look-ups of many callers travel in one prepared statement
// (lib/gather.ts), a few statements at a time: what they have in common (the log's head, the lag of each organization, the
// moment) is then found once. What a user may do is kept, and the statement is told which revision of it: Postgres sends it
// again only when that is not the one any more, in the snapshot in which it finds all the rest. So an answer is as fresh as one
// that was read alone. Each asker carries its own tenant into the statement, and is only given rows of it (I6).
import type { Prepared, PreparedStatement } from '../db/prepared.ts';
import { createGather } from '../lib/gather.ts';
import { OPEN_END } from '../model/cursor.ts';
import { NO_ACCESS } from '../model/entitlement.ts';
import type { DirectoryState } from '../model/fact.ts';
import { createKeptAccess, type KeptVersion } from './kept-access.ts';
import { answerOf, type EffectiveAnswer, type UserState } from './read.ts';
import { FIELD, LINE } from './text-rows.ts';

export interface EffectiveLookup {
  /** undefined: unknown or foreign. `tenant` null: every organization. */
  find(userId: string, tenant: string | null): Promise<EffectiveAnswer | undefined>;
  /** All of one snapshot. Unknown and foreign ids are missing from the map. */
  findAll(userIds: readonly string[], tenant: string | null): Promise<Map<string, EffectiveAnswer>>;
}

export interface EffectiveLookupOptions {
  /** For what is kept. */
  maxBytes: number;
}

interface Asked {
  userId: string;
  tenant: string | null;
}

const MAX_ASKERS = 64;
const MAX_WAIT_MS = 5_000;
/** Of nothing: those of rows are from 0 to 1. */
const NO_REVISION = -1;
const DRIFT_SUSPECTED = 'u.drift_suspected OR EXISTS (SELECT FROM refresh_task r WHERE r.user_id = u.id)';

// Per asker: directory_user and directory by primary key, effective_entitlement by (user_id, to_position), refresh_task by primary
// key. Once: change_log_head by primary key, and one entry of the partial index on pending events; when there is one, one more
// per organization. Most of what is asked about is as it was and gives no cause for concern: then the line says no more than that.
export const LOOKUP: PreparedStatement = {
  name: 'effective_lookup',
  text: `
  WITH found AS MATERIALIZED (
    SELECT u.organization_id, CASE
      WHEN e.revision = a.revision AND u.state = 'ACTIVE' AND d.state = 'ACTIVE' AND NOT (${DRIFT_SUSPECTED}) THEN concat(a.asker, '${FIELD}', to_json(u.organization_id))
      ELSE concat(a.asker, '${FIELD}', to_json(u.organization_id), '${FIELD}', u.state, '${FIELD}', d.state, '${FIELD}', ${DRIFT_SUSPECTED}, '${FIELD}', e.revision, '${FIELD}',
        CASE WHEN e.revision <> a.revision THEN concat('{"roles":', to_json(e.roles), ',"permissions":', to_json(e.permissions), ',"reasons":', e.reasons, '}') END)
      END AS line
    FROM unnest($1::text[], $2::text[], $3::float8[]) WITH ORDINALITY AS a(user_id, tenant, revision, asker)
    JOIN directory_user u ON u.id = a.user_id AND (a.tenant IS NULL OR u.organization_id = a.tenant)
    JOIN directory d ON d.id = u.directory_id
    LEFT JOIN effective_entitlement e ON e.user_id = u.id AND e.to_position = ${OPEN_END}
  ), lag AS (
    SELECT organization_id, coalesce(greatest(0, extract(epoch FROM now() - least(
      (SELECT min(occurred_at) FROM directory_event WHERE status = 'PENDING' AND partition = 'environment'),
      (SELECT min(occurred_at) FROM directory_event WHERE status = 'PENDING' AND partition = o.organization_id),
      (SELECT min(started_at) FROM wide_change WHERE organization_id = o.organization_id AND finished_at IS NULL))))::float8, 0) AS seconds
    FROM (SELECT DISTINCT organization_id FROM found) o
  )
  SELECT concat_ws('${LINE}', concat(position, '${FIELD}', to_json(now()), '${FIELD}',
      CASE WHEN (SELECT true FROM directory_event WHERE status = 'PENDING' ORDER BY partition, occurred_at LIMIT 1)
        OR EXISTS (SELECT FROM wide_change WHERE finished_at IS NULL) THEN (SELECT json_object_agg(organization_id, seconds) FROM lag) END),
    (SELECT string_agg(line, '${LINE}') FROM found))
  FROM change_log_head WHERE id = 1`,
};

export function createEffectiveLookup(prepared: Prepared, { maxBytes }: EffectiveLookupOptions): EffectiveLookup {
  const kept = createKeptAccess(maxBytes);

  const ask = async (take: () => readonly Asked[]): Promise<(EffectiveAnswer | undefined)[]> => {
    let asked: readonly Asked[] = [];
    // Held until the answer is there: meanwhile others may make room.
    let held: (KeptVersion | undefined)[] = [];
    const text = await prepared.run(LOOKUP, () => {
      asked = take();
      held = asked.map(({ userId }) => kept.of(userId));
      return [
        arrayLiteral(asked, ({ userId }) => userId),
        arrayLiteral(asked, ({ tenant }) => tenant),
        `{${held.map((version) => version?.revision ?? NO_REVISION).join()}}`,
      ];
    });
    return answersTo(asked, held, text ?? '');
  };

  function answersTo(asked: readonly Asked[], held: readonly (KeptVersion | undefined)[], text: string): (EffectiveAnswer | undefined)[] {
    const [head = '', ...lines] = text.split(LINE);
    const [position = '', at = '', lags = ''] = head.split(FIELD);
    const lagOf = lags === '' ? {} : (JSON.parse(lags) as Record<string, number>);
    const common = { position: BigInt(position), readAt: new Date(at.slice(1, -1)) };
    const answers: (EffectiveAnswer | undefined)[] = new Array(asked.length).fill(undefined);
    /** By their JSON: a few organizations have most of the users. */
    const organizations = new Map<string, string>();
    for (const line of lines) {
      const [asker, organization = '', userState = 'ACTIVE', directoryState = 'ACTIVE', driftSuspected, revision, content = ''] =
        line.split(FIELD);
      const index = Number(asker) - 1;
      const { userId, tenant } = asked[index] as Asked;
      let organizationId = organizations.get(organization);
      if (organizationId === undefined) {
        organizationId = JSON.parse(organization) as string;
        organizations.set(organization, organizationId);
      }
      if (tenant !== null && tenant !== organizationId) continue;
      const stored =
        revision === '' ? undefined : content === '' ? (held[index] as KeptVersion) : kept.keep(userId, Number(revision), content);
      answers[index] = answerOf(
        {
          ...common,
          userId,
          organizationId,
          userState: userState as UserState,
          directoryState: directoryState as DirectoryState,
          driftSuspected: driftSuspected === 't',
          lagSeconds: lagOf[organizationId] ?? 0,
        },
        stored?.effective ?? NO_ACCESS,
        stored?.texts,
      );
    }
    return answers;
  }

  const gathered = createGather({ lanes: prepared.size, maxKeys: MAX_ASKERS, maxWaitMs: MAX_WAIT_MS, send: ask });
  return {
    find(userId, tenant) {
      const asked = { userId, tenant };
      // Postgres refuses it in a text, and with it the whole statement: whoever asks that asks alone.
      if (userId.includes('\0') || tenant?.includes('\0')) return ask(() => [asked]).then(([answer]) => answer);
      return gathered(asked);
    },
    async findAll(userIds, tenant) {
      const asked = userIds.map((userId) => ({ userId, tenant }));
      const answers = asked.length === 0 ? [] : await ask(() => asked);
      return new Map(answers.flatMap((answer) => (answer ? [[answer.userId, answer] as const] : [])));
    },
  };
}

/** As Postgres reads it. The driver writes one too, at several times the cost. */
function arrayLiteral(asked: readonly Asked[], textOf: (one: Asked) => string | null): string {
  let literal = '{';
  for (const one of asked) {
    const text = textOf(one);
    if (literal.length > 1) literal += ',';
    literal += text === null ? 'NULL' : NEEDS_ESCAPES.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : `"${text}"`;
  }
  return `${literal}}`;
}
const NEEDS_ESCAPES = /["\\]/;
