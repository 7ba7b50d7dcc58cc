// What an operation holds for as long as it lives, which for a subscription is hours: parts that nobody asked for are not made.
import { expect, test } from 'vitest';
import { createLogger } from '../../src/log.ts';
import type { ServerDeps } from '../../src/server/deps.ts';
import { type Asking, createGraphql } from '../../src/server/yoga.ts';

test('the parts of a context are made when they are asked for, also behind the pipeline', async () => {
  const deps = { db: {}, lookup: {}, services: { logId: 'x' }, revalidation: {}, log: createLogger('silent') } as unknown as ServerDeps;
  const asking: Asking = {
    caller: { name: 'x', scopes: [], organizationId: null },
    signal: new AbortController().signal,
    transport: 'WebSocket',
    onFault: () => {},
  };
  const context = await createGraphql(deps).yoga.getEnveloped(asking).contextFactory();
  for (const part of ['load', 'reads', 'budget', 'db']) expect(Object.getOwnPropertyDescriptor(context, part)?.get).toBeTypeOf('function');
  expect(context.load).toBe(context.load);
  expect(context).toMatchObject({ caller: asking.caller, signal: asking.signal, transport: 'WebSocket', tenant: null });
});
