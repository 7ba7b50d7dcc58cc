// Subscriptions as Yoga's documentation has them: its own PubSub in memory, fed from Redis, over graphql-ws.
import { createServer } from 'node:http';
import { useServer } from 'graphql-ws/use/ws';
import { createPubSub, createSchema, createYoga, filter, pipe } from 'graphql-yoga';
import Redis from 'ioredis';
import { WebSocketServer } from 'ws';
import { isAllowed, matches, resolveType, typeDefs } from './change-schema.js';
import { CHANNEL } from './publish.js';

const pubSub = createPubSub();
const yoga = createYoga({
  logging: false,
  schema: createSchema({
    typeDefs,
    resolvers: {
      EntitlementFeedItem: { __resolveType: resolveType },
      Subscription: {
        entitlementChanges: {
          subscribe: (_root, args) =>
            pipe(
              pubSub.subscribe(CHANNEL),
              filter((change) => matches(change, args.filter)),
            ),
          resolve: (change) => change,
        },
      },
    },
  }),
});
const server = createServer(yoga);
useServer(
  {
    onConnect: ({ connectionParams }) => isAllowed(connectionParams),
    execute: (args) => args.rootValue.execute(args),
    subscribe: (args) => args.rootValue.subscribe(args),
    onSubscribe: async (context, _id, { query, operationName, variables }) => {
      const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped({ ...context.extra, params: {} });
      const document = parse(query);
      const errors = validate(schema, document);
      if (errors.length > 0) return errors;
      return {
        schema,
        document,
        operationName,
        variableValues: variables,
        contextValue: await contextFactory(),
        rootValue: { execute, subscribe },
      };
    },
  },
  new WebSocketServer({ server, path: '/graphql' }),
);

const redis = new Redis(process.env.REDIS_URL);
redis.on('message', (_, change) => pubSub.publish(CHANNEL, JSON.parse(change)));
await redis.subscribe(CHANNEL);

server.listen(0, '127.0.0.1', () => process.stdout.write(`http://127.0.0.1:${server.address().port}\n`));
