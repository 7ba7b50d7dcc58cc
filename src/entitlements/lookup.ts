// The hot path: the effective access of one user, for whoever asks. Look-ups of many callers travel in one prepared statement
// (lib/gather.ts), a few statements at a time: what they have in common (the log's head, the lag of each organization, the
// moment) is then found once, and nothing is remembered in between, so an answer is as fresh as one that was read alone. Each
// asker carries its own tenant into the statement, and is only given rows of it (I6).
import type { Prepared, PreparedStatement } from '../db/prepared.ts';
import { createGather } from '../lib/gather.ts';
import type { Effective } from '../model/entitlement.ts';
import type { DirectoryState } from '../model/fact.ts';
import { type EffectiveAnswer, toAnswer, type UserState } from './read.ts';

export interface EffectiveLookup {
  /** undefined: unknown or foreign. `tenant` null: every organization. */
  find(userId: string, tenant: string | null): Promise<EffectiveAnswer | undefined>;
}

interface Asked {
  userId: string;
  tenant: string | null;
}

type FoundRow = [
  asker: number,
  userId: string,
  organizationId: string,
  userState: UserState,
  directoryState: DirectoryState,
  driftSuspected: boolean,
  roles: string[] | null,
  permissions: string[] | null,
  reasons: Effective['reasons'] | null,
];

interface Found {
  position: string;
  readAt: string;
  /** By organization. */
  lags: Record<string, number> | null;
  rows: FoundRow[] | null;
}

const MAX_ASKERS = 64;
const MAX_WAIT_MS = 5_000;

// Per asker: directory_user and directory by primary key, effective_entitlement by (user_id, to_position), refresh_task by primary
// key. Once: change_log_head by primary key, and per organization one entry of the partial index on pending events.
export const LOOKUP: PreparedStatement = {
  name: 'effective_lookup',
  text: `
  WITH head AS MATERIALIZED (
    SELECT position, now() AS at, (SELECT min(occurred_at) FROM directory_event WHERE status = 'PENDING' AND partition = 'environment') AS waiting
    FROM change_log_head WHERE id = 1
  ), found AS MATERIALIZED (
    SELECT a.asker, u.id, u.organization_id, u.state AS user_state, d.state AS directory_state,
      u.drift_suspected OR EXISTS (SELECT 1 FROM refresh_task r WHERE r.user_id = u.id) AS drift_suspected, e.roles, e.permissions, e.reasons
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS a(user_id, tenant, asker)
    JOIN directory_user u ON u.id = a.user_id AND (a.tenant IS NULL OR u.organization_id = a.tenant)
    JOIN directory d ON d.id = u.directory_id
    LEFT JOIN effective_entitlement e ON e.user_id = u.id AND e.to_position = 9223372036854775807
  ), lag AS (
    SELECT o.organization_id, coalesce(greatest(0, extract(epoch FROM head.at - least(head.waiting,
      (SELECT min(occurred_at) FROM directory_event WHERE status = 'PENDING' AND partition = o.organization_id),
      (SELECT min(started_at) FROM wide_change WHERE organization_id = o.organization_id AND finished_at IS NULL))))::float8, 0) AS seconds
    FROM (SELECT DISTINCT organization_id FROM found) o CROSS JOIN head
  )
  SELECT json_build_object('position', head.position::text, 'readAt', head.at,
    'lags', (SELECT json_object_agg(organization_id, seconds) FROM lag),
    'rows', (SELECT json_agg(json_build_array(asker, id, organization_id, user_state, directory_state, drift_suspected, roles, permissions, reasons))
             FROM found))
  FROM head`,
};

export function createEffectiveLookup(prepared: Prepared): EffectiveLookup {
  const ask = async (take: () => readonly Asked[]): Promise<(EffectiveAnswer | undefined)[]> => {
    let asked: readonly Asked[] = [];
    const text = await prepared.run(LOOKUP, () => {
      asked = take();
      return [asked.map(({ userId }) => userId), asked.map(({ tenant }) => tenant)];
    });
    return answersTo(asked, text);
  };
  const gathered = createGather({ lanes: prepared.size, maxKeys: MAX_ASKERS, maxWaitMs: MAX_WAIT_MS, send: ask });
  return {
    async find(userId, tenant) {
      const asked = { userId, tenant };
      // Postgres refuses it in a text, and with it the whole statement: whoever asks that asks alone.
      if (userId.includes('\0') || tenant?.includes('\0')) return (await ask(() => [asked]))[0];
      return gathered(asked);
    },
  };
}

function answersTo(asked: readonly Asked[], text: string | null): (EffectiveAnswer | undefined)[] {
  const { position: head, readAt: at, lags, rows } = JSON.parse(text ?? '{}') as Partial<Found>;
  const answers: (EffectiveAnswer | undefined)[] = asked.map(() => undefined);
  const position = BigInt(head ?? 0);
  const readAt = new Date(at ?? 0);
  for (const row of rows ?? []) {
    const [asker, userId, organizationId, userState, directoryState, driftSuspected, roles, permissions, reasons] = row;
    const { tenant } = asked[asker - 1] as Asked;
    if (tenant !== null && tenant !== organizationId) continue;
    const lagSeconds = lags?.[organizationId] ?? 0;
    answers[asker - 1] = toAnswer({
      userId,
      organizationId,
      userState,
      directoryState,
      driftSuspected,
      roles,
      permissions,
      reasons,
      position,
      lagSeconds,
      readAt,
    });
  }
  return answers;
}
