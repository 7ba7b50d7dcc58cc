// Reports of run.ts: one that is asked for is followed until it ends.
import { setTimeout as delay } from 'node:timers/promises';
import { DIRECTORY_ID } from './objects.ts';
import { say } from './say.ts';
import { query } from './service.ts';

export interface Report {
  id: string;
  status: string;
  phase: string;
  usersRead: number;
  groupsRead: number;
  membershipsRead: number;
  accountsChecked: number;
  accountsDrifted: number;
  repaired: number;
  confirmToken: string | null;
  error: string | null;
  byKind: { kind: string; count: number }[];
}

const FIELDS = `id status phase usersRead groupsRead membershipsRead accountsChecked accountsDrifted repaired confirmToken error byKind { kind count }`;
const RECONCILE = `mutation ($id: ID!, $repair: Boolean!, $token: String) { reconcileDirectory(directoryId: $id, repair: $repair, confirmToken: $token) { ${FIELDS} } }`;

async function follow(started: Report, each: (report: Report) => Promise<void>): Promise<Report> {
  for (let shown = ''; ; ) {
    const { driftReport: report } = await query<{ driftReport: Report }>(`query ($id: ID!) { driftReport(id: $id) { ${FIELDS} } }`, {
      id: started.id,
    });
    const line = `${report.status} ${report.phase}: read ${report.usersRead} users, ${report.groupsRead} groups, ${report.membershipsRead} memberships; checked ${report.accountsChecked}, drifted ${report.accountsDrifted}, repaired ${report.repaired}`;
    if (line !== shown) say(`  ${line}`);
    shown = line;
    if (report.status !== 'PENDING' && report.status !== 'RUNNING') return report;
    await each(report);
    await delay(2_000);
  }
}

export const reconcile = async (
  repair: boolean,
  token: string | null,
  each: (report: Report) => Promise<void> = async () => {},
): Promise<Report> => {
  const { reconcileDirectory } = await query<{ reconcileDirectory: Report }>(RECONCILE, { id: DIRECTORY_ID, repair, token });
  return follow(reconcileDirectory, each);
};

/** What differs, one line each, sorted. */
export async function itemsOf(id: string): Promise<string[]> {
  interface Page {
    driftReport: {
      items: {
        nodes: { kind: string; userId: string | null; groupId: string | null }[];
        pageInfo: { hasNextPage: boolean; endCursor: string };
      };
    };
  }
  const found: string[] = [];
  for (let after: string | null = null; ; ) {
    const page: Page = await query<Page>(
      `query ($id: ID!, $after: String) { driftReport(id: $id) { items(first: 500, after: $after) { nodes { kind userId groupId } pageInfo { hasNextPage endCursor } } } }`,
      { id, after },
    );
    const { nodes, pageInfo } = page.driftReport.items;
    found.push(...nodes.map((item) => [item.kind, item.userId, item.groupId].filter(Boolean).join(' ')));
    if (!pageInfo.hasNextPage) return found.sort();
    after = pageInfo.endCursor;
  }
}
