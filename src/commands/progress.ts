// Progress on stderr, so that stdout is the result alone: a bar on a terminal, else a line at every tenth of the way.
import { SingleBar } from 'cli-progress';

export interface Progress {
  /** `total` 0: not known yet. */
  show(state: { label: string; done: number; total: number }): void;
  /** Before anything else is written. */
  stop(): void;
}

export function createProgress({ json, terminal = process.stderr.isTTY }: { json: boolean; terminal?: boolean }): Progress {
  if (terminal) return createBar();
  return json ? { show: () => undefined, stop: () => undefined } : createLines();
}

function createBar(): Progress {
  let bar: SingleBar | undefined;
  return {
    show({ label, done, total }) {
      if (!bar) {
        bar = new SingleBar({ format: '{label} [{bar}] {value}/{total}', stream: process.stderr, barsize: 30, hideCursor: true });
        bar.start(total, done, { label });
      }
      bar.setTotal(total);
      bar.update(done, { label });
    },
    stop() {
      bar?.stop();
      bar = undefined;
    },
  };
}

function createLines(): Progress {
  let shown: string | undefined;
  return {
    show({ label, done, total }) {
      const tenth = total === 0 ? 0 : Math.floor((done / total) * 10);
      if (shown === `${label} ${tenth}`) return;
      shown = `${label} ${tenth}`;
      process.stderr.write(`${label}${total > 0 ? ` ${done}/${total}` : done > 0 ? ` ${done}` : ''}\n`);
    },
    stop: () => undefined,
  };
}
