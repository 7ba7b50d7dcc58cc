// POST /webhooks/workos: the bytes exactly as they came, since the signature is over bytes.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { MAX_WEBHOOK_BYTES } from '../ingest/webhook.ts';
import type { ServerDeps } from './deps.ts';
import { readBody } from './read-body.ts';
import { respondJson } from './respond.ts';

export async function handleWebhook({ webhooks }: ServerDeps, req: IncomingMessage, res: ServerResponse): Promise<void> {
  if (req.method !== 'POST') {
    respondJson(res, 405, { error: 'method_not_allowed' }, { Allow: 'POST', Connection: 'close' });
    return;
  }
  const body = await readBody(req, MAX_WEBHOOK_BYTES);
  if (body === null) {
    webhooks.refused();
    respondJson(res, 413, { error: 'too_large' }, { Connection: 'close' });
    return;
  }
  const signature = req.headers['workos-signature'];
  const answer = await webhooks.accept({ body, signature: Array.isArray(signature) ? signature.join(',') : signature });
  respondJson(res, answer.status, answer.body);
}
