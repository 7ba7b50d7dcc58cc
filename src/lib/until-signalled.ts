/** Aborts at the first SIGINT or SIGTERM. A second one ends the process at once, with the code that shells expect. */
export function untilSignalled(): AbortSignal {
  const controller = new AbortController();
  const codes = { SIGINT: 130, SIGTERM: 143 } as const;
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(codes[name]);
      controller.abort(name);
    });
  }
  return controller.signal;
}
