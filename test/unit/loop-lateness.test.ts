import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { watchLoopLateness } from '../../src/lib/loop-lateness.ts';

const stall = (ms: number): void => {
  for (const until = performance.now() + ms; performance.now() < until; );
};

test('a stall is told once: while its tick is overdue, or later', async () => {
  const lateness = watchLoopLateness();
  try {
    lateness.worstMs();
    stall(300);
    // Asked before any timer could fire.
    expect(lateness.worstMs()).toBeGreaterThanOrEqual(250);
    expect(lateness.worstMs()).toBeLessThan(250);
    stall(300);
    await nextTurn();
    await nextTurn();
    expect(lateness.worstMs()).toBeGreaterThanOrEqual(250);
  } finally {
    lateness.close();
  }
});

test('a stall that begins right after a question is told by the next one', async () => {
  const lateness = watchLoopLateness();
  try {
    for (let round = 0; round < 5; round += 1) {
      lateness.worstMs();
      stall(100);
      await nextTurn();
      expect(lateness.worstMs()).toBeGreaterThanOrEqual(75);
    }
  } finally {
    lateness.close();
  }
});
