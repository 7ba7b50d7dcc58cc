// The `next` messages of one subscription over WebSocket. graphql-ws would make each from its parts; here the answer is text
// already where it is shared, and only the id of the subscription is added. Everything else of the protocol stays with
// graphql-ws: it waits for this iteration, which yields nothing, ends with the subscription and throws what it throws.
import type { GraphQLError } from 'graphql';
import type { Parkable } from '../lib/parkable.ts';
import { sharedBytes } from './shared-answers.ts';
import { textFrame } from './text-frame.ts';

export interface Answer {
  data?: unknown;
  errors?: readonly GraphQLError[] | undefined;
}

export interface NextMessagesOptions {
  id: string;
  /** What cannot be shared. */
  format(answer: Answer): object;
  /** The next is asked for when this one has been sent; at once where nothing is returned. */
  send(frame: Buffer): Promise<void> | undefined;
  /** What is to be thrown instead. */
  onError(error: unknown): unknown;
}

export function sendNextMessages(
  source: Pick<Parkable<Answer>, 'next' | 'return' | 'park'>,
  { id, format, send, onError }: NextMessagesOptions,
): AsyncIterableIterator<never> {
  const before = `{"id":${JSON.stringify(id)},"type":"next","payload":`;
  const done = { done: true, value: undefined } as const;
  let left = false;
  let sent: Promise<void> | undefined;
  let resume: (() => void) | undefined;
  let failure: { error: unknown } | undefined;

  const sendOne = (answer: Answer): void => {
    sent = send(textFrame(before, sharedBytes(answer) ?? Buffer.from(JSON.stringify(format(answer))), '}'));
  };
  const resumed = (resolve: () => void): void => {
    resume = resolve;
  };
  /** An answer that comes while nothing is under way: sent at once, and no promise is made on the way. */
  function take(answer: Answer | null): boolean {
    try {
      if (answer && !left) sendOne(answer);
      if (answer && !left && !sent) return true;
    } catch (error) {
      // The fault of this one, and none of those who come after it.
      failure = { error };
    }
    resume?.();
    return false;
  }

  const sending: AsyncIterableIterator<never> = {
    [Symbol.asyncIterator]: () => sending,
    async next() {
      for (;;) {
        if (sent) await sent;
        sent = undefined;
        if (!left && source.park?.(take)) {
          await new Promise<void>(resumed);
          if (failure) throw failure.error;
          continue;
        }
        const { done: ended, value } = await source.next().catch((error: unknown) => {
          throw onError(error);
        });
        if (ended || left) return done;
        sendOne(value);
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
