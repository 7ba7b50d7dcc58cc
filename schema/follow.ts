// The one way from a source of the service to a subscription. Pull-based: an item is asked for when the client has taken the
// one before. Written by hand, because `return()` of an async generator waits for its pending `await`, and a subscriber of a
// quiet feed would never be let go. Whatever has to hold for every item of every subscription belongs here: nothing is
// delivered to a caller that has lost its right since, and it is cut off even when there is nothing to deliver.
import { setImmediate } from 'node:timers/promises';
import { AccessError } from '../src/errors.ts';
import type { Context } from './context.ts';

/** A source that has its items in memory, and a client that is gone without our knowing, would keep the process to themselves. */
const BREATH_EVERY = 32;

/** `open` gets a signal that ends with the request, the socket or the subscription. */
export async function follow<T, R>(
  context: Context,
  open: (signal: AbortSignal) => Promise<AsyncIterableIterator<T>> | AsyncIterableIterator<T>,
  show: (item: T) => R,
): Promise<AsyncIterableIterator<R>> {
  const ended = new AbortController();
  const signal = AbortSignal.any([context.signal, ended.signal]);
  const source = await open(signal);
  let taken = 0;
  let lost = false;
  context.standing.watch(signal, () => {
    lost = true;
    ended.abort();
  });
  const followed: AsyncIterableIterator<R> = {
    [Symbol.asyncIterator]: () => followed,
    async next() {
      taken += 1;
      if (taken % BREATH_EVERY === 0) await setImmediate();
      const { done, value } = await source.next();
      lost ||= !done && !(await context.standing.holds());
      if (lost) {
        ended.abort();
        throw new AccessError('UNAUTHENTICATED', 'The key or token of this subscription was revoked, or has expired.');
      }
      context.budget.renew();
      return done ? { done: true, value: undefined } : { done: false, value: show(value) };
    },
    async return() {
      ended.abort();
      await source.return?.();
      return { done: true, value: undefined };
    },
  };
  return followed;
}
