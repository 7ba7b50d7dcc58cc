// Which test provokes which fault, and which one shows that it could fail. A test that is renamed or removed is missed here.
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

interface Place {
  file: string;
  /** Title of the test; of a pair by `faultTest`, that of the first. */
  test: string;
  /** Title of the control; left out where `faultTest` makes it. */
  control?: string;
  /** Where the control is, when it is elsewhere. */
  controlFile?: string;
}

const PROCESSES = 'test/faults/process-faults.test.ts';
const DATABASE = 'test/faults/database-faults.test.ts';
const REDIS = 'test/faults/redis-faults.test.ts';
const WORKOS = 'test/faults/workos-faults.test.ts';

const FAULTS: Readonly<Record<string, readonly Place[]>> = {
  F1: [
    { file: PROCESSES, test: 'F1: a worker is killed at every step' },
    { file: PROCESSES, test: 'F1: a server is killed when a webhook is stored and not answered' },
  ],
  F2: [{ file: PROCESSES, test: 'F2: the relay dies between XADD and its mark' }],
  F3: [{ file: DATABASE, test: 'F3: nobody knows whether a COMMIT came through' }],
  F4: [{ file: DATABASE, test: 'F4: sessions of Postgres are ended, and the server crashes under load' }],
  F5: [{ file: DATABASE, test: 'F5: Postgres is frozen' }],
  F6: [
    { file: REDIS, test: 'F6: Redis is killed and comes back without its data' },
    { file: REDIS, test: 'F6: Redis is killed and comes back with its data' },
  ],
  F7: [{ file: REDIS, test: 'F7: Redis is frozen, then silently unreachable' }],
  F8: [{ file: REDIS, test: 'F8: connections to Redis flap' }],
  F9: [{ file: REDIS, test: 'F9: FLUSHALL, and XTRIM below a reader' }],
  F10: [{ file: REDIS, test: 'F10: a failover to a replica that lacks the tail' }],
  F11: [{ file: REDIS, test: 'F11: Redis is out of memory' }],
  F12: [
    {
      file: 'test/e2e/processes.test.ts',
      test: 'the leader is frozen past its lease under load, another takes over, and it thaws',
      control: 'control: without the check in its transaction it counts people twice',
      controlFile: 'test/e2e/frozen-leader.test.ts',
    },
  ],
  F13: [{ file: PROCESSES, test: 'F13: the clocks of the nodes are wrong by ten minutes, in both directions' }],
  F14: [
    {
      file: 'test/e2e/databases.test.ts',
      test: 'the disk of Postgres is full for a while: events wait, none is blamed',
      control: 'F14: there is no room for people',
      controlFile: DATABASE,
    },
    { file: DATABASE, test: 'F14: there is no room for people' },
  ],
  F15: [{ file: WORKOS, test: 'F15: the same event by webhook five times and by the API at once' }],
  F16: [{ file: WORKOS, test: 'F16: out of order, orphans, and an older updated_at after a newer one' }],
  F17: [{ file: WORKOS, test: 'F17: unknown types, missing fields, wrong types, 1 MB of attributes, invalid UTF-8' }],
  F18: [{ file: WORKOS, test: 'F18: a group and a directory with many members are deleted' }],
  F19: [{ file: WORKOS, test: 'F19: the API answers with 429, errors, rubbish, nothing, slowly, and forgets the cursor' }],
  F20: [
    {
      file: 'test/integration/changes/commit-order.test.ts',
      test: 'eight writers: 1..N in commit order; a reader of `position > last` sees every row once',
      control: 'control: with a sequence, a row that was numbered first and committed second is never seen',
    },
  ],
  F21: [
    {
      file: 'test/unit/feed-interleavings.test.ts',
      test: 'a subscriber gets exactly the matching changes after its cursor, in order, once, across reconnects',
      control: 'control: with a tail that does not ask for contiguity, changes are lost',
    },
  ],
  F22: [
    {
      file: 'test/e2e/feed-frozen.test.ts',
      test: 'what a frozen fifth is owed is not held, the others do not notice, and it is sent away',
      control: 'control: without a bound on what waits for a socket, what the frozen ones are owed is held',
    },
  ],
  F23: [
    {
      file: 'test/e2e/feed-cut.test.ts',
      test: 'five hundred consumers that are cut off at once, twice, have every change exactly once, in order',
      control: 'control: a client that comes again with the variables that it was given has changes twice',
    },
  ],
  F24: [{ file: PROCESSES, test: 'F24: a rolling restart of two nodes under load' }],
  F25: [{ file: 'test/faults/replay-faults.test.ts', test: 'F25: a replay is killed midway, overlaps another, and runs during live sync' }],
  F26: [
    {
      file: 'test/e2e/databases.test.ts',
      test: 'two connections and fifty slow queries: whoever waits too long is told so, and the sync does not notice',
      control: 'F26: the pool of the API is exhausted',
      controlFile: DATABASE,
    },
    { file: DATABASE, test: 'F26: the pool of the API is exhausted' },
  ],
  F27: [
    {
      file: 'test/integration/auth/lost-rights.test.ts',
      test: 'a key that is revoked here ends its subscription',
      control: 'the control, that never looks again, goes on delivering',
    },
  ],
  F28: [
    {
      file: DATABASE,
      test: 'F28: several instances migrate at once',
      control: 'F28: control: without any lock two that found nothing applied both begin, and one fails',
    },
  ],
  F29: [
    {
      file: 'test/integration/ops/reconcile.test.ts',
      test: 'while events flow none is taken for drift, and planted drift is found among them',
      control: 'control: without the fences the same company drifts all the time',
    },
  ],
  F30: [
    { file: PROCESSES, test: 'F30: out of file descriptors, with a stalled event loop' },
    { file: PROCESSES, test: 'F30: event loops stall, and whoever asks is told' },
  ],
};

const holds = (source: string, title: string): boolean =>
  [`test('${title}'`, `it('${title}'`, `name: '${title}'`].some((text) => source.includes(text));

test.each(Object.entries(FAULTS))('%s is provoked, and has a control that fails, or says why not', async (_, places) => {
  for (const { file, test: title, control, controlFile = file } of places) {
    const source = await readFile(file, 'utf8');
    expect(holds(source, title), `${file} has a test "${title}"`).toBe(true);
    if (control === undefined) expect(source, `${file} makes pairs`).toContain(`name: '${title}'`);
    else expect(holds(await readFile(controlFile, 'utf8'), control), `${controlFile} has "${control}"`).toBe(true);
  }
});

test('none of the thirty is left out', () => {
  expect(Object.keys(FAULTS)).toEqual(Array.from({ length: 30 }, (_, n) => `F${n + 1}`));
});
