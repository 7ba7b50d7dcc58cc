// `access-service start`, `serve` and `work`: one Runtime until a signal, then everything closed in reverse.
import { setFlagsFromString } from 'node:v8';
import { renderBanner } from '../banner.ts';
import type { Config } from '../config.ts';
import { armFailpoints } from '../lib/failpoint.ts';
import { untilSignalled } from '../lib/until-signalled.ts';
import { createLogger } from '../log.ts';
import { startRuntime } from '../runtime.ts';

/** How long a stop may take before the process gives up waiting. */
const STOP_TIMEOUT_MS = 25_000;

export async function runService(config: Config): Promise<void> {
  const log = createLogger(config.logLevel);
  // The binary's flags let the heap grow in small steps, which keeps a catch-up small (a third less at its peak) and collects
  // often. A server has no catch-up: with V8's own steps it answers a quarter more, and its slowest answers take half as long.
  if (config.mode === 'serve') setFlagsFromString('--heap-growing-percent=0');
  // V8 puts what was made at a place in the program straight among what is old, once such things have survived there. What a request
  // is made of survives while it waits for Postgres, and is garbage all the same: half of it was only cleared by whole collections.
  if (config.mode !== 'work') setFlagsFromString('--no-allocation-site-pretenuring');
  armFailpoints(config.failpoints);
  const signal = untilSignalled();
  signal.addEventListener('abort', () => {
    log.info({ signal: signal.reason }, 'stopping');
    // Does not keep the process, but runs on when everything is closed: what still keeps it then must not do so for ever.
    setTimeout(() => {
      log.fatal('the stop took too long');
      process.exit(1);
    }, STOP_TIMEOUT_MS).unref();
  });
  const runtime = await startRuntime(config, log, signal);
  if (config.mode === 'start' && runtime.url !== null) process.stdout.write(renderBanner({ ...runtime, url: runtime.url }));
  else log.info({ mode: config.mode, url: runtime.url }, 'ready');
  await runtime.stopped;
  log.info('stopped');
}
