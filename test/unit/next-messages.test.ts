// How the answers of one subscription become messages: by what it leaves behind while it waits, and by asking where that must be.
import { expect, test } from 'vitest';
import type { Take } from '../../src/lib/parkable.ts';
import { type Answer, sendNextMessages } from '../../src/server/next-messages.ts';
import { waitFor } from '../support/wait-for.ts';

const answer = (n: number): Answer => ({ data: { n } });

/** A source that has nothing by itself: `give` is its having something. */
function scene(send: (n: number) => Promise<void> | undefined) {
  const sent: number[] = [];
  const calls: string[] = [];
  let parked: Take<Answer> | undefined;
  let ended = false;
  const source = {
    park(take: Take<Answer>) {
      if (ended) return false;
      calls.push('park');
      parked = take;
      return true;
    },
    next() {
      calls.push('next');
      return Promise.resolve({ done: true as const, value: undefined });
    },
    return: async () => ({ done: true as const, value: undefined }),
  };
  const iterator = sendNextMessages(source, {
    id: '1',
    format: (one) => one,
    send(frame) {
      const { n } = JSON.parse(frame.subarray(2).toString()).payload.data;
      sent.push(n);
      return send(n);
    },
    onError: (error) => error,
  });
  const reading = iterator.next();
  reading.catch(() => undefined);
  const give = (item: Answer | null): boolean => {
    const take = parked as Take<Answer>;
    const stays = take(item);
    if (!stays) parked = undefined;
    return stays;
  };
  return {
    sent,
    calls,
    give,
    reading,
    isParked: () => parked !== undefined,
    end: () => {
      ended = true;
      give(null);
    },
  };
}

test('what comes while it waits is sent at once, and it is asked for nothing in between', async () => {
  const { sent, calls, give, reading, end } = scene(() => undefined);
  expect([1, 2, 3].map((n) => give(answer(n)))).toEqual([true, true, true]);
  expect(sent).toEqual([1, 2, 3]);
  expect(calls).toEqual(['park']);
  end();
  expect((await reading).done).toBe(true);
});

test('while a message waits for the client nothing is taken', async () => {
  const goOn: (() => void)[] = [];
  const { sent, give, isParked } = scene(() => new Promise((resolve) => void goOn.push(resolve)));
  expect(give(answer(1))).toBe(false);
  await new Promise(setImmediate);
  expect(isParked()).toBe(false);
  goOn[0]?.();
  await waitFor('it to wait again', isParked);
  expect(give(answer(2))).toBe(false);
  expect(sent).toEqual([1, 2]);
});

test('what cannot be sent ends this subscription, and is not thrown at whoever gives', async () => {
  const { give, reading } = scene(() => {
    throw new Error('broken');
  });
  expect(give(answer(1))).toBe(false);
  await expect(reading).rejects.toThrow('broken');
});
