// Who is let in, and how often: the same on HTTP, SSE and WebSocket. Everything here is counted by caller, by address, or both.
import { createHash } from 'node:crypto';
import type { Authenticate, Caller } from '../auth/caller.ts';
import { AccessError } from '../errors.ts';
import { addressKey } from './client-address.ts';
import type { Limits } from './limits.ts';
import { createRateLimit } from './rate-limit.ts';

export interface Admission {
  /** null: nobody is known by it. An address that fails too often is refused unheard, RATE_LIMITED. */
  authenticate(address: string, authorization: string | null | undefined): Promise<Caller | null>;
  /** One operation. */
  operation(caller: Caller, address: string): Promise<void>;
  /** One WebSocket, before anything else is known of it. */
  connect(address: string): Promise<void>;
  /** A WebSocket has a caller now. The answer is to be called when it closes. */
  enter(caller: Caller): Promise<() => void>;
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
  const sockets = new Map<string, number>();
  const byAddress = (address: string) => `address:${addressKey(address)}`;
  const byCaller = ({ credential, name }: Caller) =>
    credential === undefined ? `name:${name}` : credential.kind === 'key' ? `key:${credential.id}` : `subject:${credential.subject}`;

  return {
    async authenticate(address, authorization) {
      const digest = createHash('sha256')
        .update(authorization ?? '')
        .digest('base64');
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
    connect: (address) => connects.take(byAddress(address)),
    async enter(caller) {
      const key = byCaller(caller);
      await connects.take(key);
      const open = sockets.get(key) ?? 0;
      if (open >= limits.socketsPerCaller) {
        throw new AccessError('RATE_LIMITED', `At most ${limits.socketsPerCaller} WebSockets at a time of one caller.`);
      }
      sockets.set(key, open + 1);
      return () => {
        const left = (sockets.get(key) ?? 1) - 1;
        if (left > 0) sockets.set(key, left);
        else sockets.delete(key);
      };
    },
    webhook: (address) => webhooks.take(byAddress(address)),
  };
}
