import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Vite would take graphql's ES build for our files while Node takes the other one for the libraries: two realms of types. */
const graphql = { find: /^graphql$/, replacement: fileURLToPath(import.meta.resolve('graphql')) };
/**
 * `npm run test:processes`, by hand: many processes against each other's deadlines on two cores, which CI may not have for
 * itself. `npm test` leaves them out by naming its projects.
 */
const BY_HAND = ['test/e2e/processes.test.ts', 'test/faults/replay-faults.test.ts'];

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
      project('unit', ['test/unit/**/*.test.ts', 'test/*.test.ts'], { testTimeout: 20_000 }),
      project('integration', ['test/integration/**/*.test.ts'], { ...services, retry: 1, testTimeout: 60_000, hookTimeout: 60_000 }),
      // Real processes and real deadlines: a machine starved by others fails such a test for that alone, so it is run again.
      project('e2e', ['test/e2e/**/*.test.ts', 'test/faults/**/*.test.ts'], {
        ...services,
        exclude: BY_HAND,
        retry: 2,
        testTimeout: 120_000,
        hookTimeout: 120_000,
      }),
      project('processes', BY_HAND, { ...services, testTimeout: 120_000, hookTimeout: 120_000 }),
    ],
  },
});
