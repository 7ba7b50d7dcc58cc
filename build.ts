// `npm run build`: the sources as JavaScript in dist/, with the files beside them that they read. Only a packed package needs it.
import { spawnSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';

process.chdir(import.meta.dirname);
rmSync('dist', { recursive: true, force: true });
const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], { stdio: 'inherit' });
for (const path of ['prisma/migrations', 'schema/operations', 'schema/schema.graphql']) cpSync(path, `dist/${path}`, { recursive: true });
process.exitCode = status ?? 1;
