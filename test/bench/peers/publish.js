// Hands a change to the servers that are compared, over Redis, each in its own way.
import Redis from 'ioredis';
import mqemitterRedis from 'mqemitter-redis';

export const CHANNEL = 'changes';
/** Its messages are in a form of its own. */
export const TOPIC = 'topic';

/** Resolves when it is connected, so that the first one does not pay for that. */
export async function createPublish({ how, redisUrl }) {
  if (how === 'mqemitter') {
    const emitter = mqemitterRedis({ connectionString: redisUrl });
    await new Promise((resolve) => emitter.state.once('pubConnect', resolve));
    return (change) => emitter.emit({ topic: TOPIC, payload: { entitlementChanges: change } });
  }
  const redis = new Redis(redisUrl);
  await redis.ping();
  return (change) => void redis.publish(CHANNEL, JSON.stringify(change));
}
