// Pure: is this delivery WorkOS' own, and fresh? `WorkOS-Signature: t=<ms>, v1=<hex HMAC-SHA256(secret, t + "." + body)>`.
//
// The SDK's verifier (11.0.0) is not used for the decision: it decodes the body to text first, so that bytes which are not
// UTF-8 are never the bytes that were signed; it lets a `t` pass that is in the future or not a number; it knows one
// secret and only the real clock. test/unit/verify-webhook.test.ts holds that both agree wherever they should.
import { createHmac, timingSafeEqual } from 'node:crypto';

export interface WebhookDelivery {
  body: Buffer;
  signature: string | undefined;
  /** Any of them will do, so that a secret can be rotated. */
  secrets: readonly string[];
  now: Date;
  /** Into the past and into the future. */
  toleranceMs: number;
}

export type WebhookVerdict =
  | 'ok'
  | { refused: 'missing_signature' | 'malformed_signature' | 'too_old' | 'in_the_future' | 'wrong_signature' };

export const WEBHOOK_TOLERANCE_MS = 180_000;

export function verifyWebhook({ body, signature, secrets, now, toleranceMs }: WebhookDelivery): WebhookVerdict {
  if (!signature) return { refused: 'missing_signature' };
  const parts = signature.split(',').map((part) => part.trim());
  const timestamps = parts.filter((part) => part.startsWith('t=')).map((part) => part.slice(2));
  const hashes = parts.flatMap((part) => /^v1=([0-9a-f]{64})$/i.exec(part)?.[1] ?? []);
  const [timestamp] = timestamps;
  if (timestamp === undefined || timestamps.length > 1 || !/^\d{1,15}$/.test(timestamp) || hashes.length === 0)
    return { refused: 'malformed_signature' };

  // The signature first: nobody without the secret learns anything about our clock.
  const expected = secrets.map((secret) => createHmac('sha256', secret).update(`${timestamp}.`).update(body).digest());
  const given = hashes.map((hash) => Buffer.from(hash, 'hex'));
  if (!expected.some((hmac) => given.some((hash) => timingSafeEqual(hmac, hash)))) return { refused: 'wrong_signature' };

  const ageMs = now.getTime() - Number(timestamp);
  if (ageMs > toleranceMs) return { refused: 'too_old' };
  if (ageMs < -toleranceMs) return { refused: 'in_the_future' };
  return 'ok';
}
