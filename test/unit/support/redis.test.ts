import { afterEach, expect, test } from 'vitest';
import { findRedisServer } from '../../support/redis.ts';

const path = process.env.PATH;
afterEach(() => {
  process.env.PATH = path;
});

test('without a Redis server, and nothing to install one with, the tests stop and say how to get one', async () => {
  process.env.PATH = '/nowhere';
  await expect(findRedisServer()).rejects.toThrow(/need a Redis server.+apt-get install redis-server.+brew install redis/);
});
