// Who is let in, and how often: the same on HTTP, SSE and WebSocket. Everything here is counted by caller, by address, or both.
import { hash } from 'node:crypto';
import type { Authenticate, Caller } from '../auth/caller.ts';
import { AccessError } from '../errors.ts';
import { briefly } from '../lib/briefly.ts';
import { addressKey } from './client-address.ts';
import type { Limits } from './limits.ts';
import { createRateLimit } from './rate-limit.ts';

export interface Admission {
  /** null: nobody is known by it. An address that fails too often is refused unheard, RATE_LIMITED. */
  authenticate(address: string, authorization: string | null | undefined): Promise<Caller | null>;
  /** One operation. */
  operation(caller: Caller, address: string): Promise<void>;
  /** One WebSocket: by address when it knocks, by caller when it has one. */
  connect(from: string | Caller): Promise<void>;
  /** A place for one WebSocket or one stream. The answer is to be called when it closes. */
  stay(caller: Caller): () => void;
  webhook(address: string): Promise<void>;
}

/** Behind one address there may be good callers and a bad one: those that were good lately are heard all the same. */
const GOOD_FOR_MS = 600_000;
const MAX_GOOD = 10_000;

export function createAdmission(authenticate: Authenticate, limits: Limits, counters: object | null): Admission {
  const limit = (name: string, perMinute: number) => createRateLimit({ name, perMinute, counters });
  const operations = limit('operations', limits.operationsPerMinute);
  const connects = limit('connects', limits.connectsPerMinute);
  const failures = limit('failures', limits.failedAuthenticationsPerMinute);
  const webhooks = limit('webhooks', limits.webhooksPerMinute);
  const goodUntilMs = new Map<string, number>();
  const places = new Map<string, number>();
  const byAddress = briefly((address) => `address:${addressKey(address)}`);
  const digestOf = briefly((authorization) => hash('sha256', authorization, 'base64'));
  const byCaller = ({ credential, name }: Caller) =>
    credential === undefined ? `name:${name}` : credential.kind === 'key' ? `key:${credential.id}` : `subject:${credential.subject}`;

  return {
    async authenticate(address, authorization) {
      const digest = digestOf(authorization ?? '');
      if (!((goodUntilMs.get(digest) ?? 0) > Date.now())) failures.check(byAddress(address));
      const caller = await authenticate(authorization);
      if (caller) {
        if (goodUntilMs.size >= MAX_GOOD) goodUntilMs.clear();
        goodUntilMs.set(digest, Date.now() + GOOD_FOR_MS);
      } else {
        goodUntilMs.delete(digest);
        await failures.take(byAddress(address));
      }
      return caller;
    },
    async operation(caller, address) {
      await operations.take(byCaller(caller));
      await operations.take(byAddress(address));
    },
    connect: (from) => connects.take(typeof from === 'string' ? byAddress(from) : byCaller(from)),
    stay(caller) {
      const key = byCaller(caller);
      const open = places.get(key) ?? 0;
      if (open >= limits.socketsPerCaller) {
        throw new AccessError('RATE_LIMITED', `At most ${limits.socketsPerCaller} WebSockets and streams at a time of one caller.`);
      }
      places.set(key, open + 1);
      return () => {
        const left = (places.get(key) ?? 1) - 1;
        if (left > 0) places.set(key, left);
        else places.delete(key);
      };
    },
    webhook: (address) => webhooks.take(byAddress(address)),
  };
}
