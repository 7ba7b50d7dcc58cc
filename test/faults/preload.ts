// Loaded before the service (NODE_OPTIONS=--import=…): the defence that a control run switches off, by a mutated copy of one
// module; a wrong clock; a stalled event loop. A mutation that no longer fits its module stops the process, so that no control goes stale unseen.
import { flushCompileCache, registerHooks } from 'node:module';

/** In the module whose path ends in `file`, `from` becomes `to`. */
export interface Mutation {
  file: string;
  from: string;
  to: string;
}

const mutations = JSON.parse(process.env.TEST_MUTATIONS ?? '[]') as Mutation[];
if (mutations.length > 0) {
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const mine = mutations.filter(({ file }) => url.endsWith(`/${file}`));
      if (mine.length === 0 || loaded.source == null) return loaded;
      let source = typeof loaded.source === 'string' ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString('utf8');
      for (const { file, from, to } of mine) {
        if (!source.includes(from)) throw new Error(`${file} does not hold what the mutation replaces: ${from}`);
        source = source.replaceAll(from, () => to);
      }
      return { ...loaded, source };
    },
  });
}

// Most lives end by SIGKILL, which would leave nothing for the start of the next one (NODE_COMPILE_CACHE).
setTimeout(flushCompileCache, 3_000).unref();

// A stalled event loop: SIGUSR2 makes the process deaf and busy for a while.
if (process.env.TEST_STALL_MS) {
  const stallMs = Number(process.env.TEST_STALL_MS);
  process.on('SIGUSR2', () => {
    for (const until = performance.now() + stallMs; performance.now() < until; );
  });
}

const shiftMs = Number(process.env.TEST_CLOCK_SHIFT_MS ?? 0);
if (shiftMs !== 0) {
  const real = Date;
  const now = (): number => real.now() + shiftMs;
  globalThis.Date = new Proxy(real, {
    construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
    apply: () => new real(now()).toString(),
    get: (target, key, receiver) => (key === 'now' ? now : Reflect.get(target, key, receiver)),
  });
}
