// Ingest by webhook: lower latency than the Events API, and a hint that the poller should look. Deliveries come unordered,
// repeated and late, so they only ever add rows to the inbox; the cursor is not theirs to move (workos.md, failure 1).
//
// Answers: 2xx only after the row is on disk; it is applied meanwhile (the transaction that applies it commits later in the same
// write-ahead log, so it cannot outlive the row). 400 for a signature header that is missing, malformed, too old or too far
// in the future; 401 for a wrong signature; 503 when the row could not be written, so that WorkOS sends it again. A signed
// body is taken whatever it holds: unusable ones are stored as QUARANTINED, and sending them again would help nobody.
import type { Db } from '../db/client.ts';
import { flushCommitted } from '../db/flush.ts';
import { messageOf } from '../errors.ts';
import { failpoint } from '../lib/failpoint.ts';
import type { Logger } from '../log.ts';
import { NO_TRACING, type Tracing } from '../model/telemetry.ts';
import { parseTraceparent } from '../model/traceparent.ts';
import { verifyWebhook, WEBHOOK_TOLERANCE_MS } from '../workos/verify-webhook.ts';
import type { RefusalCounter } from './count-refusals.ts';
import { readBody } from './envelope.ts';
import { storeEvents } from './store-events.ts';
import { traceStored } from './trace-stored.ts';

/** The route refuses longer bodies with 413 before they come here, and counts them with `refusals.add()`. */
export const MAX_WEBHOOK_BYTES = 1024 * 1024;

export interface WebhookDeps {
  db: Db;
  log: Logger;
  /** WORKOS_WEBHOOK_SECRET; without any, nothing can be verified and everything is refused. */
  secrets: readonly string[];
  refusals: RefusalCounter;
  /** Called as soon as something new is seen by others, with where that is applied as far as it is known: wakes apply and the poller. */
  onStored: (partition?: string) => void;
  tracing?: Pick<Tracing, 'on' | 'stage'>;
  toleranceMs?: number;
}

export interface WebhookRequest {
  body: Buffer;
  /** The WorkOS-Signature header. */
  signature: string | undefined;
  /** The traceparent header: the trace goes on. */
  traceparent?: string | undefined;
  now: Date;
}

export interface WebhookResponse {
  status: 200 | 400 | 401 | 503;
  body: { stored: boolean } | { error: string };
}

export async function acceptWebhook(deps: WebhookDeps, { body, signature, traceparent, now }: WebhookRequest): Promise<WebhookResponse> {
  const { db, log, secrets, refusals, onStored, tracing = NO_TRACING, toleranceMs = WEBHOOK_TOLERANCE_MS } = deps;
  if (secrets.length === 0) {
    refusals.add();
    log.warn('a webhook delivery was refused: no WORKOS_WEBHOOK_SECRET is set');
    return { status: 503, body: { error: 'no_webhook_secret' } };
  }
  const verdict = verifyWebhook({ body, signature, secrets, now, toleranceMs });
  if (verdict !== 'ok') {
    refusals.add();
    log.warn({ reason: verdict.refused }, 'a webhook delivery was refused');
    return { status: verdict.refused === 'wrong_signature' ? 401 : 400, body: { error: verdict.refused } };
  }

  const event = readBody(body, now);
  const parent = parseTraceparent(traceparent);
  const startMs = Date.now();
  try {
    const result = await storeEvents(db, [{ ...event, ...(parent && { traceId: parent.traceId }) }], 'WEBHOOK', { unflushed: true });
    const { stored } = result;
    // Of an event without an organization the database has found out where it belongs.
    if (stored > 0) onStored(event.organizationId === null ? undefined : event.partition);
    // Also for one that was there already: whoever stored it may be waiting still.
    await flushCommitted(db);
    traceStored(tracing, result, { channel: 'WEBHOOK', startMs, parentSpanId: parent?.spanId });
    await failpoint('webhook-stored');
    if (event.refusal) log.warn({ eventId: event.id, reason: event.refusal }, 'a webhook delivery was quarantined');
    return { status: 200, body: { stored: stored > 0 } };
  } catch (error) {
    log.error({ err: messageOf(error), eventId: event.id }, 'a webhook delivery could not be stored');
    return { status: 503, body: { error: 'not_stored' } };
  }
}
