import { once } from 'node:events';
import { createConnection } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type OwnRedis, startRedis } from '../../support/redis.ts';

let redis: OwnRedis;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis?.stop());

async function say(line: string): Promise<string> {
  const socket = createConnection(redis.port, '127.0.0.1');
  socket.write(`${line}\r\n`);
  try {
    const [reply] = (await once(socket, 'data', { signal: AbortSignal.timeout(300) })) as [Buffer];
    return reply.toString();
  } finally {
    socket.destroy();
  }
}

test('a test has a Redis of its own: it can freeze it, kill it with all its data and start it again', async () => {
  expect(await say('SET key 1')).toBe('+OK\r\n');
  redis.freeze();
  await expect(say('PING')).rejects.toThrow(/abort/);
  redis.thaw();
  expect(await say('GET key')).toContain('1');
  await redis.kill();
  await expect(say('PING')).rejects.toThrow(/ECONNREFUSED|ECONNRESET/);
  await redis.restart();
  expect(await say('GET key')).toBe('$-1\r\n');
});
