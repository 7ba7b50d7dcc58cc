import { createHmac } from 'node:crypto';
import { WorkOS } from '@workos-inc/node';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { verifyWebhook } from '../../../src/workos/verify-webhook.ts';

const now = new Date('2026-03-01T12:00:00Z');
const toleranceMs = 180_000;
const secrets = ['wh_old', 'wh_new'];
const body = Buffer.from('{"id":"event_1","name":"Ren\u00e9"}');
const hash = (t: string | number, secret = 'wh_new', over: Buffer = body) =>
  createHmac('sha256', secret).update(`${t}.`).update(over).digest('hex');
const sign = (t: string | number, secret?: string, over?: Buffer) => `t=${t}, v1=${hash(t, secret, over)}`;
const verify = (signature: string | undefined, over: Partial<Parameters<typeof verifyWebhook>[0]> = {}) =>
  verifyWebhook({ body, signature, secrets, now, toleranceMs, ...over });
const T = now.getTime();

describe('a delivery is taken', () => {
  it.each([
    ['now', sign(T)],
    ['at the past bound', sign(T - toleranceMs)],
    ['at the future bound', sign(T + toleranceMs)],
    ['with the other secret', sign(T, 'wh_old')],
    ['without spaces', sign(T).replace(', ', ',')],
    ['with a further scheme', `${sign(T)}, v2=abc`],
    ['with several v1, one of them right', `t=${T}, v1=${'0'.repeat(64)}, v1=${hash(T)}`],
    ['in upper-case hex', `t=${T}, v1=${hash(T).toUpperCase()}`],
  ])('%s', (_, signature) => expect(verify(signature)).toBe('ok'));

  it('over bytes that are not UTF-8', () => {
    const bytes = Buffer.from([0x7b, 0xff, 0xfe, 0x7d]);
    expect(verify(sign(T, 'wh_new', bytes), { body: bytes })).toBe('ok');
  });
});

describe('a delivery is refused', () => {
  it.each([
    ['missing_signature', undefined],
    ['missing_signature', ''],
    ['malformed_signature', 'nonsense'],
    ['malformed_signature', `t=${T}`],
    ['malformed_signature', `v1=${hash(T)}`],
    ['malformed_signature', `t=${T}, v1=`],
    ['malformed_signature', `t=${T}, v1=${hash(T).slice(1)}`],
    ['malformed_signature', `t=${T}, v1=${hash(T)}ff`],
    ['malformed_signature', sign('soon')],
    ['malformed_signature', sign(`${T}abc`)],
    ['malformed_signature', sign('')],
    ['malformed_signature', sign('NaN')],
    ['malformed_signature', sign(-T)],
    ['malformed_signature', `t=1, ${sign(T)}`],
    ['malformed_signature', `t=x, ${sign(T)}`],
    ['too_old', sign(T - toleranceMs - 1)],
    ['too_old', sign(Math.floor(T / 1000))],
    ['in_the_future', sign(T + toleranceMs + 1)],
    ['in_the_future', sign('999999999999999')],
    ['wrong_signature', sign(T, 'wh_other')],
    ['wrong_signature', `t=${T + 1}, v1=${hash(T)}`],
    ['wrong_signature', `t=${T}, v1=${'0'.repeat(64)}`],
  ])('%s: %s', (refused, signature) => expect(verify(signature)).toEqual({ refused }));

  it('with any byte of the body changed', () => {
    fc.assert(
      fc.property(fc.nat({ max: body.length - 1 }), fc.integer({ min: 1, max: 255 }), (index, change) => {
        const tampered = Buffer.from(body);
        tampered[index] = (tampered[index] as number) ^ change;
        expect(verify(sign(T), { body: tampered })).toEqual({ refused: 'wrong_signature' });
      }),
    );
  });

  it('without any secret', () => expect(verify(sign(T), { secrets: [] })).toEqual({ refused: 'wrong_signature' }));
  it('whatever the header holds', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (header) => verify(header) !== 'ok'));
  });
});

it('agrees with the verifier of the SDK on whatever both can judge', async () => {
  const { webhooks } = new WorkOS('sk_test');
  await fc.assert(
    fc.asyncProperty(
      fc.json(),
      fc.constantFrom('wh_old', 'wh_new', 'wh_other'),
      fc.integer({ min: -400_000, max: 100_000 }),
      async (json, secret, ageMs) => {
        const payload = Buffer.from(json);
        const at = Date.now() + ageMs;
        const sigHeader = `t=${at}, v1=${await webhooks.computeSignature(String(at), payload, secret)}`;
        const theirs = await webhooks.verifyHeader({ payload, sigHeader, secret: 'wh_new' }).catch(() => false);
        const ours = verifyWebhook({ body: payload, signature: sigHeader, secrets: ['wh_new'], now: new Date(), toleranceMs });
        expect(ours === 'ok').toBe(theirs);
      },
    ),
    { numRuns: 50 },
  );
});
