// The one way from a source of the service to a subscription. Pull-based: an item is asked for when the client has taken the
// one before. Written by hand, because `return()` of an async generator waits for its pending `await`, and a subscriber of a
// quiet feed would never be let go. Whatever has to hold for every item of every subscription belongs here: nothing is
// delivered to a caller that has lost its right since, and it is cut off even when there is nothing to deliver.
import { setImmediate } from 'node:timers/promises';
import { AccessError } from '../src/errors.ts';
import { type Parkable, parkThrough } from '../src/lib/parkable.ts';
import type { Context } from './context.ts';

/** A source that has its items in memory, and a client that is gone without our knowing, would keep the process to themselves. */
const BREATH_EVERY = 32;

/** `open` gets a signal that ends with the request or the socket. */
export async function follow<T, R>(
  context: Context,
  open: (signal: AbortSignal) => Promise<Parkable<T>> | Parkable<T>,
  show: (item: T) => R,
): Promise<Parkable<R>> {
  const { standing, signal } = context;
  const source = await open(signal);
  let taken = 0;
  let lost = false;
  const lose = () => {
    lost = true;
    end();
  };
  const leave = standing.watch(lose);
  const fail = (error: unknown): never => {
    leave();
    throw error;
  };
  function end(): void {
    leave();
    // Settles at once, whatever the source is waiting for.
    void source.return?.();
  }
  const { park, nextItem } = parkThrough(source, (item) => {
    const holds = standing.holds();
    // `next()` asks again, and waits.
    if (typeof holds !== 'boolean') holds.catch(() => undefined);
    if (lost || holds !== true) return undefined;
    context.renewBudget();
    return show(item);
  });
  const followed: Parkable<R> = {
    [Symbol.asyncIterator]: () => followed,
    park,
    async next() {
      taken += 1;
      if (taken % BREATH_EVERY === 0) await setImmediate();
      const { done, value } = await nextItem().catch(fail);
      if (!done && !lost) {
        const holds = standing.holds();
        lost ||= !(typeof holds === 'boolean' ? holds : await holds);
      }
      if (done || lost) end();
      if (lost) throw new AccessError('UNAUTHENTICATED', 'The key or token of this subscription was revoked, or has expired.');
      if (done) return { done: true, value: undefined };
      context.renewBudget();
      return { done: false, value: show(value) };
    },
    async return() {
      end();
      return { done: true, value: undefined };
    },
  };
  return followed;
}
