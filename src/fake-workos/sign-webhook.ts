import { createHmac } from 'node:crypto';

/** The header WorkOS-Signature over exactly these bytes: `t=<milliseconds>, v1=<hex HMAC-SHA256(secret, t + "." + body)>`. */
export function signWebhook(body: Buffer, secret: string, atMs: number): string {
  const hash = createHmac('sha256', secret).update(`${atMs}.`).update(body).digest('hex');
  return `t=${atMs}, v1=${hash}`;
}
