// Named places at which a test lets this process die, freeze, dawdle or fail: the steps between which a crash must do no
// harm. Nothing is armed unless the setting FAILPOINTS says so, and in production that setting is refused.
//
//   FAILPOINTS='folded=kill@3;xadd-before-mark=sleep:2000;fetched=throw@1;before-commit=stop@5'
//
// `name=action[@n]`: at the n-th time that the process comes by, else every time. kill is SIGKILL and stop is SIGSTOP, both to
// the process itself; sleep:ms waits; throw fails the step.
import { setTimeout as delay } from 'node:timers/promises';

export const FAILPOINTS = [
  'fetched', // poller: a page was read, nothing stored
  'inserted', // poller: events and cursor written, in the transaction
  'polled', // poller: committed
  'webhook-stored', // webhook: committed, not answered
  'import-fetched', // import: a page was read, nothing written
  'refresh-fetched', // refresh: an account was read, nothing written
  'folded', // apply: folded in memory, nothing of it written yet, in the transaction
  'before-commit', // apply, import, refresh: everything written
  'after-commit', // apply, import, refresh
  'xadd-before-mark', // relay: in the stream, not marked
  'marked', // relay
  'replay-before-commit', // replay: a chunk repaired and the row moved on
  'replay-after-commit',
  'wide-chunk-computed', // wide change: a chunk is computed and the row moved on, nothing of it recorded, in the transaction
  'wide-chunk', // wide change: a chunk is committed
  'reconcile-step', // reconciliation: a step is about to be taken
] as const;

export type Failpoint = (typeof FAILPOINTS)[number];

type Action = { kind: 'kill' | 'stop' | 'throw' } | { kind: 'sleep'; ms: number };

interface Armed {
  action: Action;
  /** undefined: every time. */
  at: number | undefined;
  passed: number;
}

export class FailpointError extends Error {
  override readonly name = 'FailpointError';
}

const armed = new Map<string, Armed>();

const PART = /^([a-z-]+)=(?:(kill|stop|throw)|sleep:(\d{1,6}))(?:@(\d{1,6}))?$/;

/** What is wrong with a setting; undefined when nothing is. */
export function faultInFailpoints(text: string): string | undefined {
  for (const part of text.split(';')) {
    const name = PART.exec(part.trim())?.[1];
    if (name === undefined) return `"${part}" is not of the form name=kill|stop|throw|sleep:MS[@N]`;
    if (!FAILPOINTS.some((known) => known === name)) return `there is no failpoint "${name}"; there are ${FAILPOINTS.join(', ')}`;
  }
  return undefined;
}

/** Replaces what was armed. null: nothing is. */
export function armFailpoints(text: string | null): void {
  armed.clear();
  for (const part of text?.split(';') ?? []) {
    const [, name = '', signal, ms, at] = PART.exec(part.trim()) ?? [];
    const action: Action = signal ? { kind: signal as 'kill' | 'stop' | 'throw' } : { kind: 'sleep', ms: Number(ms) };
    armed.set(name, { action, at: at === undefined ? undefined : Number(at), passed: 0 });
  }
}

export async function failpoint(name: Failpoint): Promise<void> {
  const point = armed.get(name);
  if (!point) return;
  point.passed += 1;
  if (point.at !== undefined && point.at !== point.passed) return;
  const { action } = point;
  switch (action.kind) {
    case 'kill':
      process.kill(process.pid, 'SIGKILL');
      return;
    case 'stop':
      process.kill(process.pid, 'SIGSTOP');
      return;
    case 'throw':
      throw new FailpointError(`failpoint ${name}`);
    case 'sleep':
      await delay(action.ms);
      return;
    default:
      action satisfies never;
  }
}
