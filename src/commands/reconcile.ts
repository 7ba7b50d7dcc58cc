// `access-service reconcile DIRECTORY_ID`: compares a directory with WorkOS, account by account, and repairs on request.
// Unless --yes, a repair may not revoke anything by itself: it waits for the token of its preview, which is asked about here.
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { z } from 'zod';
import { StartError } from '../errors.ts';
import { untilSignalled } from '../lib/until-signalled.ts';
import { confirmed, NOTHING_ALTERED } from './confirm.ts';
import { DRIFT_REPORT, RECONCILE } from './documents.ts';
import { type Endpoint, graphqlRequest } from './graphql-request.ts';
import { endpointOf, type FindKey, type OperatorFlags, operatorCommand, whole } from './operator-command.ts';
import { print } from './print.ts';
import { createProgress } from './progress.ts';

interface ReconcileFlags extends OperatorFlags {
  repair: boolean;
  maxRevocations?: number;
  confirmToken?: string;
  yes: boolean;
}

const reportShape = z.object({
  id: z.string(),
  directoryId: z.string(),
  status: z.enum(['PENDING', 'RUNNING', 'AWAITING_CONFIRMATION', 'SUCCEEDED', 'FAILED', 'CANCELLED']),
  phase: z.string(),
  repair: z.boolean(),
  usersRead: z.number(),
  groupsRead: z.number(),
  membershipsRead: z.number(),
  accountsChecked: z.number(),
  accountsDrifted: z.number(),
  byKind: z.array(z.object({ kind: z.string(), count: z.number() })),
  items: z.object({
    totalCount: z.number(),
    nodes: z.array(
      z.object({
        kind: z.string(),
        userId: z.string().nullable(),
        groupId: z.string().nullable(),
        local: z.unknown(),
        source: z.unknown(),
      }),
    ),
  }),
  repaired: z.number(),
  confirmToken: z.string().nullable(),
  error: z.string().nullable(),
  startedAt: z.string().nullable(),
  finishedAt: z.string().nullable(),
});
type Report = z.infer<typeof reportShape>;

const POLL_INTERVAL_MS = 500;
/** Of what differs, shown. */
const ITEMS = 20;

export function addReconcileCommand(program: Command, key: FindKey): void {
  operatorCommand(program, {
    usage: 'reconcile <directoryId>',
    description: 'read a directory whole from WorkOS and compare; with --repair, put right what differs',
    examples: [
      'reconcile directory_…',
      'reconcile directory_… --repair',
      'reconcile directory_… --repair --yes --max-revocations 50 --json',
    ],
  })
    .option('--repair', 'put right what differs', false)
    .option('--max-revocations <accounts>', 'with --yes: how many may lose access (default: 5 % of the active ones, or 20)', whole)
    .option('--confirm-token <token>', 'of a report that was looked at')
    .option('--yes', 'do not ask before access is taken away; more than --max-revocations is refused all the same', false)
    .action(async (directoryId: string, flags: ReconcileFlags) => {
      if (!(await reconcile(endpointOf(flags, key), directoryId, flags, untilSignalled()))) process.exitCode = 1;
    });
}

async function reconcile(endpoint: Endpoint, directoryId: string, flags: ReconcileFlags, signal: AbortSignal): Promise<boolean> {
  const { repair, yes, json, maxRevocations } = flags;
  const shape = z.object({ reconcileDirectory: reportShape.pick({ id: true }) });
  const ask = async (confirmToken: string | null): Promise<string> => {
    const variables = { directoryId, repair, maxRevocations: yes ? (maxRevocations ?? null) : 0, confirmToken };
    return (await graphqlRequest(endpoint, RECONCILE, variables, shape)).reconcileDirectory.id;
  };
  let id = await ask(flags.confirmToken ?? null);
  let report: Report;
  for (;;) {
    report = await watchReport(endpoint, id, flags, signal);
    if (report.status !== 'AWAITING_CONFIRMATION' || yes) break;
    if (!json) print(report, flags, () => renderReport(report));
    if (!(await confirmed(report.error ?? 'This takes access away from people.'))) throw new StartError(NOTHING_ALTERED);
    id = await ask(report.confirmToken);
  }
  print(report, flags, () => renderReport(report));
  if (report.status === 'AWAITING_CONFIRMATION')
    process.stderr.write(`Look at the report; then run it again with --repair --confirm-token ${report.confirmToken}\n`);
  return report.status === 'SUCCEEDED';
}

async function watchReport(endpoint: Endpoint, id: string, { json }: { json: boolean }, signal: AbortSignal): Promise<Report> {
  const progress = createProgress({ json });
  try {
    while (!signal.aborted) {
      const { driftReport: report } = await graphqlRequest(
        endpoint,
        DRIFT_REPORT,
        { id, first: ITEMS },
        z.object({ driftReport: reportShape.nullable() }),
      );
      if (!report) throw new StartError(`The report ${id} is gone.`);
      if (report.status !== 'PENDING' && report.status !== 'RUNNING') return report;
      progress.show({ label: labelOf(report), done: report.usersRead + report.groupsRead + report.membershipsRead, total: 0 });
      await delay(POLL_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    progress.stop();
  }
  throw new StartError(`The reconciliation goes on without being watched; its report is driftReport(id: "${id}").`);
}

const labelOf = ({ status, phase }: Report): string =>
  status === 'PENDING' ? 'waiting for a worker' : phase.toLowerCase().replaceAll('_', ' ');

function renderReport(report: Report): string {
  const { id, directoryId, status, accountsChecked, accountsDrifted, byKind, items, repaired, repair, error } = report;
  const nodes = items.nodes.map(({ kind, userId, groupId, local, source }) => {
    const what = [userId, groupId].filter((part) => part !== null).join(' in ');
    return `    ${kind} ${what} here ${JSON.stringify(local)}, at WorkOS ${JSON.stringify(source)}`;
  });
  const more = items.totalCount - nodes.length;
  return [
    `${id}  ${status}  ${directoryId}`,
    `  accounts  ${accountsChecked} checked, ${accountsDrifted} differ`,
    ...byKind.filter(({ count }) => count > 0).map(({ kind, count }) => `            ${count} ${kind}`),
    ...nodes,
    ...(more > 0 ? [`    and ${more} more`] : []),
    ...(repair ? [`  repaired  ${repaired}`] : []),
    ...(error ? [`  ${error}`] : []),
  ].join('\n');
}
