// Read by the Prisma CLI (`npm run generate`). The product itself never reads it: it gets its database from src/config.ts.
import { defineConfig } from 'prisma/config';

export default defineConfig({
  schema: 'schema.prisma',
  migrations: { path: 'migrations' },
});
