import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Vite would take graphql's ES build for our files while Node takes the other one for the libraries: two realms of types. */
const graphql = { find: /^graphql$/, replacement: fileURLToPath(import.meta.resolve('graphql')) };
const services = { globalSetup: ['test/support/global-setup.ts'] };

const project = (name: string, include: string[], options: object = {}) => ({
  resolve: { alias: [graphql] },
  test: { name, root, include, setupFiles: ['test/support/leak-guard.ts'], ...options },
});

export default defineConfig({
  root,
  test: {
    // A database per file, so files run side by side; more of them than cores only makes every wait longer.
    maxWorkers: Math.max(2, availableParallelism()),
    pool: 'forks',
    projects: [
      // Time-outs are longer than the waits within, which say what was missing.
      project('unit', ['test/unit/**/*.test.ts', 'test/*.test.ts'], { testTimeout: 90_000 }),
      // Against the deadlines of the service itself, on a machine that others may keep from running: once more.
      project('integration', ['test/integration/**/*.test.ts'], { ...services, retry: 1, testTimeout: 120_000, hookTimeout: 120_000 }),
      project('e2e', ['test/e2e/**/*.test.ts', 'test/faults/**/*.test.ts'], {
        ...services,
        retry: 1,
        testTimeout: 180_000,
        hookTimeout: 180_000,
      }),
    ],
  },
});
