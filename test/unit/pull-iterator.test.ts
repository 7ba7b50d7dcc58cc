import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { pullIterator } from '../../src/lib/pull-iterator.ts';

const never = () => new Promise<never>(() => {});
const DONE = { done: true, value: undefined };

test('return() settles a pending next() at once, although its source never answers', async () => {
  let ended = 0;
  const iterator = pullIterator(never, { onEnd: () => (ended += 1) });
  const pending = [iterator.next(), iterator.next()];
  expect(await iterator.return?.()).toEqual(DONE);
  expect(await Promise.all(pending)).toEqual([DONE, DONE]);
  expect(await iterator.next()).toEqual(DONE);
  await iterator.return?.();
  expect(ended).toBe(1);
});

test('control: return() on a native generator does wait', async () => {
  const generator = (async function* () {
    yield await never();
  })();
  void generator.next();
  const left = await Promise.race([generator.return(undefined), new Promise((resolve) => setImmediate(resolve, 'waiting'))]);
  expect(left).toBe('waiting');
});

test('the signal ends it quietly, before and after the first pull', async () => {
  const controller = new AbortController();
  const iterator = pullIterator(never, { signal: controller.signal });
  const pending = iterator.next();
  controller.abort();
  expect(await pending).toEqual(DONE);
  expect(await pullIterator(async () => 1, { signal: controller.signal }).next()).toEqual(DONE);
});

test('concurrent pulls are answered in order, one production at a time', async () => {
  let running = 0;
  let count = 0;
  const iterator = pullIterator(async () => {
    running += 1;
    expect(running).toBe(1);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
    count += 1;
    return count;
  });
  const pulled = await Promise.all([iterator.next(), iterator.next(), iterator.next()]);
  expect(pulled.map((result) => result.value)).toEqual([1, 2, 3]);
});

test('an error is thrown once and ends it; a late one after the end is dropped', async () => {
  let fail: ((error: Error) => void) | undefined;
  let ended = 0;
  const failing = pullIterator(() => Promise.reject(new Error('gone')), { onEnd: () => (ended += 1) });
  await expect(failing.next()).rejects.toThrow('gone');
  expect(await failing.next()).toEqual(DONE);
  expect(ended).toBe(1);

  const left = pullIterator(
    () =>
      new Promise<never>((_, reject) => {
        fail = reject;
      }),
  );
  const pending = left.next();
  await Promise.resolve();
  await left.return?.();
  fail?.(new Error('late'));
  expect(await pending).toEqual(DONE);
});

test('what is produced is told when the iterator ends', async () => {
  const signals: AbortSignal[] = [];
  const iterator = pullIterator((signal) => {
    signals.push(signal);
    return never();
  });
  void iterator.next();
  await Promise.resolve();
  await iterator.return?.();
  expect(signals.map((signal) => signal.aborted)).toEqual([true]);
});

test('it works in for await and leaves no listener on a long-lived signal', async () => {
  const controller = new AbortController();
  const seen: number[] = [];
  const source = [1, 2, 3, 4, 5];
  const numbers = pullIterator(async () => source.shift(), { signal: controller.signal });
  for await (const value of numbers) seen.push(value);
  expect(seen).toEqual([1, 2, 3, 4, 5]);
  expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
});
