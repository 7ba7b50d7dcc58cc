// The `next` messages of one subscription over WebSocket. graphql-ws would make each from its parts; here the answer is text
// already where it is shared, and only the id of the subscription is added. Everything else of the protocol stays with
// graphql-ws: it waits for this iteration, which yields nothing, ends with the subscription and throws what it throws.
import type { GraphQLError } from 'graphql';
import { sharedText } from './shared-answers.ts';

export interface Answer {
  data?: unknown;
  errors?: readonly GraphQLError[] | undefined;
}

export interface NextMessagesOptions {
  id: string;
  /** What cannot be shared. */
  format(answer: Answer): object;
  /** The next is asked for when this one has been sent; at once where nothing is returned. */
  send(message: string): Promise<void> | undefined;
}

export function sendNextMessages(results: AsyncIterable<Answer>, { id, format, send }: NextMessagesOptions): AsyncIterableIterator<never> {
  const source = results[Symbol.asyncIterator]();
  const before = `{"id":${JSON.stringify(id)},"type":"next","payload":`;
  let left = false;
  const done = { done: true, value: undefined } as const;
  const sending: AsyncIterableIterator<never> = {
    [Symbol.asyncIterator]: () => sending,
    async next() {
      for (;;) {
        const { done: ended, value } = await source.next();
        if (ended || left) return done;
        const sent = send(`${before}${sharedText(value) ?? JSON.stringify(format(value))}}`);
        if (sent) await sent;
      }
    },
    async return() {
      left = true;
      await source.return?.();
      return done;
    },
    async throw(error: unknown) {
      left = true;
      await source.return?.();
      throw error;
    },
  };
  return sending;
}
