// What an answer was made of is cleared by young collections. Whatever holds on to it until a whole one (a WeakMap by context, a
// hidden class for each, V8's guess that it will live long) costs a server a third of its time.
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parse } from 'graphql';
import { expect, test } from 'vitest';
import { type ContextDeps, createContext } from '../../schema/context.ts';
import { schema } from '../../schema/index.ts';
import { createKeptAccess } from '../../src/entitlements/kept-access.ts';
import { answerOf } from '../../src/entitlements/read.ts';
import { NO_ACCESS } from '../../src/model/entitlement.ts';
import { createCompiledDocuments } from '../../src/server/compiled-documents.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
// As src/commands/run-service.ts sets it.
setFlagsFromString('--no-allocation-site-pretenuring');

const QUERIES = {
  effectiveEntitlements:
    'query ($id: ID!) { effectiveEntitlements(userId: $id) { userId permissions { permission } freshness { revision lagSeconds } } }',
  checkAccess: 'query ($id: ID!) { checkAccess(userId: $id, permission: "docs:read") { allowed via { role } freshness { revision } } }',
};

test.each(Object.entries(QUERIES))('%s', async (_name, text) => {
  const stored = createKeptAccess(1024 * 1024).keep('ann', 0.5, JSON.stringify(NO_ACCESS));
  const facts = { userId: 'ann', organizationId: 'org_1', userState: 'ACTIVE', directoryState: 'ACTIVE', driftSuspected: false } as const;
  const find = async () => answerOf({ ...facts, position: 5n, lagSeconds: 0, readAt: new Date(0) }, stored.effective, stored.texts);
  const deps = { lookup: { find }, services: { logId: 'abc' } } as unknown as ContextDeps;
  const caller = { name: 'x', scopes: ['ENTITLEMENTS_READ'] as const, organizationId: 'org_1' };
  const asked = { caller, signal: new AbortController().signal };
  const documents = createCompiledDocuments(schema, 1);
  documents.accept(parse(text));
  const run = documents.find(text, undefined);

  const answer = async (times: number): Promise<void> => {
    for (let n = 0; n < times; n += 1) await run?.(createContext(deps, asked), { id: 'ann' });
  };
  const old = (): number => getHeapSpaceStatistics().find((space) => space.space_name === 'old_space')?.space_used_size ?? 0;
  expect(await run?.(createContext(deps, asked), { id: 'ann' })).toContain('"freshness"');
  // Code that is still being optimised makes garbage of its own: the best of a few counts.
  let bytes = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < 6 && bytes >= 400; tries += 1) {
    await answer(20_000);
    collect();
    const before = old();
    await answer(20_000);
    bytes = (old() - before) / 20_000;
  }
  expect(bytes).toBeLessThan(400);
});
