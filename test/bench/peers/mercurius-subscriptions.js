// Subscriptions as mercurius has them, over mqemitter-redis: one shared secret is asked for, the filter is `withFilter`.
import fastify from 'fastify';
import mercurius from 'mercurius';
import mqemitterRedis from 'mqemitter-redis';
import { isAllowed, matches, resolveType, typeDefs } from './change-schema.js';
import { TOPIC } from './publish.js';

const { withFilter } = mercurius;
const app = fastify();
await app.register(mercurius, {
  schema: typeDefs,
  resolvers: {
    EntitlementFeedItem: { resolveType },
    Subscription: {
      entitlementChanges: {
        subscribe: withFilter(
          (_root, _args, { pubsub }) => pubsub.subscribe(TOPIC),
          ({ entitlementChanges }, { filter }) => matches(entitlementChanges, filter),
        ),
      },
    },
  },
  jit: 1,
  subscription: {
    emitter: mqemitterRedis({ connectionString: process.env.REDIS_URL }),
    onConnect: ({ payload }) => isAllowed(payload),
  },
});
process.stdout.write(`${await app.listen({ port: 0, host: '127.0.0.1' })}\n`);
