// The server of a test file, with two companies on it: started before its first test, closed after its last.
import { afterAll, beforeAll } from 'vitest';
import { type Api, startApi } from './api.ts';
import { insertCompany } from './company-rows.ts';

/** To be called at the top of the file; what it gives is there once tests, and hooks that come after, run. */
export function useCompanyApi(): Api {
  let api: Api | undefined;
  beforeAll(async () => {
    api = await startApi();
    await insertCompany(api.db);
  }, 120_000);
  afterAll(() => api?.close());
  return new Proxy({} as Api, {
    get(_, name) {
      if (!api) throw new Error('The server is not started yet.');
      return Reflect.get(api, name);
    },
  });
}
