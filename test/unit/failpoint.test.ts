import { afterEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { armFailpoints, failpoint, faultInFailpoints } from '../../src/lib/failpoint.ts';

afterEach(() => armFailpoints(null));

test('nothing happens where nothing is armed', async () => {
  await expect(failpoint('folded')).resolves.toBeUndefined();
});

test('a point acts every time, or at the n-th time alone', async () => {
  armFailpoints('folded=throw;fetched=throw@2');
  await expect(failpoint('folded')).rejects.toThrow('failpoint folded');
  await expect(failpoint('folded')).rejects.toThrow('failpoint folded');
  await expect(failpoint('fetched')).resolves.toBeUndefined();
  await expect(failpoint('fetched')).rejects.toThrow('failpoint fetched');
  await expect(failpoint('fetched')).resolves.toBeUndefined();
  await expect(failpoint('marked')).resolves.toBeUndefined();
});

test('a point may dawdle', async () => {
  armFailpoints('marked=sleep:30');
  const startedAt = performance.now();
  await failpoint('marked');
  expect(performance.now() - startedAt).toBeGreaterThan(25);
});

describe('the setting', () => {
  test.each(['folded=kill', 'folded=stop@3; marked=sleep:20@1', 'before-commit=throw'])('%s', (text) => {
    expect(faultInFailpoints(text)).toBeUndefined();
  });
  test.each(['folded', 'folded=die', 'nowhere=kill', 'folded=kill@x', 'folded=sleep'])('%s is refused', (text) => {
    expect(faultInFailpoints(text)).toBeTypeOf('string');
    expect(() => loadConfig({ FAILPOINTS: text }, 'start')).toThrow('FAILPOINTS');
  });
  test('and in production any', () => {
    const env = {
      NODE_ENV: 'production',
      DATABASE_URL: 'postgresql://x/y',
      REDIS_URL: 'redis://x',
      WORKOS_API_KEY: 'sk_x',
      ADMIN_API_KEY: 'a-key-of-sixteen-letters',
    };
    expect(loadConfig(env, 'work').failpoints).toBeNull();
    expect(() => loadConfig({ ...env, FAILPOINTS: 'folded=kill' }, 'work')).toThrow('never for production');
  });
});
