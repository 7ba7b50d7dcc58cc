// How late the event loop was at worst since the last question. Not perf_hooks' monitor: what its `reset` cuts in two, a stall
// that begins or is asked about between two of its ticks, it never shows.
export interface LoopLateness {
  /** Milliseconds; also of a tick that is overdue right now. */
  worstMs(): number;
  close(): void;
}

const TICK_MS = 20;

export function watchLoopLateness(now: () => number = performance.now.bind(performance)): LoopLateness {
  let worst = 0;
  let due = now() + TICK_MS;
  const tick = (): void => {
    worst = Math.max(worst, now() - due);
    due = now() + TICK_MS;
  };
  const timer = setInterval(tick, TICK_MS).unref();
  return {
    worstMs() {
      if (now() > due) tick();
      const told = worst;
      worst = 0;
      return Math.round(told);
    },
    close: () => clearInterval(timer),
  };
}
