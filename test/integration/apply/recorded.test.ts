// What a batch says that it has recorded is handed on as it is: it must be what a reader of the log finds.
import { expect, test } from 'vitest';
import { applyBatch } from '../../../src/apply/apply-batch.ts';
import { readAfter } from '../../../src/changes/read-after.ts';
import { store } from '../../support/core-database.ts';
import { NEXT } from '../../support/small-company.ts';
import { useCoreDatabase } from '../../support/suite-database.ts';
import { anEvent, aUser, momentOf } from '../../support/workos-objects.ts';

const core = useCoreDatabase({ each: 'small company' });

test('the changes of a batch are those of the log, field by field', async () => {
  const after = (await readAfter(core.db, { after: 0n, limit: 1_000 })).at(-1)?.position ?? 0n;
  const altered = { updated_at: momentOf(NEXT + 1), roles: [{ slug: 'builder' }] };
  await store(core.db, [
    anEvent(NEXT, 'dsync.user.created', aUser('dan', { roles: [{ slug: 'builder' }] })),
    anEvent(NEXT + 1, 'dsync.user.updated', aUser('cyd', altered)),
    anEvent(NEXT + 2, 'dsync.user.deleted', aUser('ann')),
  ]);
  const { changes } = await applyBatch(core.db, 'org_1', { requestImports: false });
  expect(changes.length).toBeGreaterThanOrEqual(3);
  expect(changes).toEqual(await readAfter(core.db, { after, limit: 1_000 }));
});
