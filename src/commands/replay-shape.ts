// A replay as the commands ask for it and show it.
import { z } from 'zod';
import { count } from './confirm.ts';
import { previewShape, renderPreview } from './print.ts';

export const replayShape = z.object({
  id: z.string(),
  status: z.enum(['PENDING', 'RUNNING', 'AWAITING_CONFIRMATION', 'SUCCEEDED', 'FAILED', 'CANCELLED']),
  phase: z.enum(['FETCH', 'PREVIEW', 'REPAIR']),
  dryRun: z.boolean(),
  source: z.string(),
  requestedBy: z.string(),
  reason: z.string().nullable(),
  processed: z.number(),
  total: z.number(),
  repaired: z.number(),
  unchanged: z.number(),
  failed: z.number(),
  fetched: z.number(),
  missing: z.number(),
  affectedUsers: z.number(),
  grantedPermissions: z.number(),
  revokedPermissions: z.number(),
  confirmToken: z.string().nullable(),
  error: z.string().nullable(),
  createdAt: z.string(),
  startedAt: z.string().nullable(),
  finishedAt: z.string().nullable(),
  /** Where it was asked for. */
  preview: previewShape.default([]),
});

export type Replay = z.infer<typeof replayShape>;

/** In one line. */
export const renderState = ({ id, status, dryRun, phase, processed, total, createdAt, requestedBy, reason }: Replay): string =>
  `${id}  ${status}${status === 'RUNNING' ? ` (${phase.toLowerCase()})` : ''}${dryRun ? '  dry run' : ''}  ${processed}/${total}  ${createdAt}  ${requestedBy}${reason ? `: ${reason}` : ''}`;

export function renderReplay(replay: Replay): string {
  const { status, source, dryRun, repaired, unchanged, failed, fetched, missing, affectedUsers, grantedPermissions, revokedPermissions } =
    replay;
  const would = dryRun || status === 'AWAITING_CONFIRMATION' ? 'would be repaired' : 'repaired';
  return [
    renderState(replay),
    ...(source === 'WORKOS_EVENTS'
      ? [`  WorkOS    ${count(fetched, 'event')} read, ${missing} ${missing === 1 ? 'was' : 'were'} missing here`]
      : []),
    `  accounts  ${repaired} ${would}, ${unchanged} unchanged, ${failed} failed`,
    `  access    ${count(affectedUsers, 'user')} affected: ${grantedPermissions} permissions granted, ${revokedPermissions} revoked`,
    ...renderPreview(replay.preview, affectedUsers),
    ...(replay.error ? [`  ${replay.error}`] : []),
  ].join('\n');
}
