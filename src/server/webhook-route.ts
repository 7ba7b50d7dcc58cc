// POST /webhooks/workos: the bytes exactly as they came, since the signature is over bytes. Where a delivery comes from and
// how many there are is looked at before its body is read; the address list is no substitute for the signature.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { AccessError } from '../errors.ts';
import { MAX_WEBHOOK_BYTES } from '../ingest/webhook.ts';
import { createAddressList } from '../lib/address-list.ts';
import type { Admission } from './admission.ts';
import type { AddressOf } from './client-address.ts';
import type { ServerDeps } from './deps.ts';
import { readBody } from './read-body.ts';
import { refusalHeaders, respondJson } from './respond.ts';

export interface WebhookRouteDeps {
  admission: Admission;
  addressOf: AddressOf;
}

export function createWebhookRoute({ webhooks, policy, log }: ServerDeps, { admission, addressOf }: WebhookRouteDeps) {
  const ranges = policy?.webhookAddresses ?? [];
  const senders = ranges.length > 0 ? createAddressList(ranges) : null;

  return async function handleWebhook(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const refuse = (status: number, error: string, headers: Record<string, string> = {}): void => {
      if (status !== 405) webhooks.refused();
      respondJson(res, status, { error }, { ...headers, Connection: 'close' });
    };
    if (req.method !== 'POST') return refuse(405, 'method_not_allowed', { Allow: 'POST' });
    const address = addressOf(req);
    if (senders && !senders.has(address)) {
      log.warn({ address }, 'a webhook delivery was refused: its address is not in WORKOS_WEBHOOK_ADDRESSES');
      return refuse(403, 'address_not_allowed');
    }
    try {
      await admission.webhook(address);
    } catch (error) {
      if (!(error instanceof AccessError)) throw error;
      return refuse(429, 'rate_limited', refusalHeaders(error.code, error.details));
    }
    const body = await readBody(req, MAX_WEBHOOK_BYTES);
    if (body === null) return refuse(413, 'too_large');
    const signature = req.headers['workos-signature'];
    const { traceparent } = req.headers;
    const answer = await webhooks.accept({
      body,
      signature: Array.isArray(signature) ? signature.join(',') : signature,
      traceparent: Array.isArray(traceparent) ? undefined : traceparent,
    });
    respondJson(res, answer.status, answer.body);
  };
}
