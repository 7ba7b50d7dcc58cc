// The company as a process, on a port that it says: node company-process.ts '{"users":1000000,"memberships":1}'
import { listen } from '../../src/fake-workos/listen.ts';
import { createCompanyServer } from './company-server.ts';
import type { CompanySize } from './ingest-company.ts';

const size = JSON.parse(process.argv[2] ?? '') as CompanySize;
const onUnknown = (path: string): void => void process.stderr.write(`nothing is there to answer ${path}\n`);
const port = await listen(createCompanyServer(size, onUnknown), '127.0.0.1', 0);
process.stdout.write(`company at ${port}\n`);
