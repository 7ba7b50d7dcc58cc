// Prisma's schema engine as WebAssembly: the same code as behind `prisma migrate`, without its downloaded binary. The
// package is made for bundlers, so its module is instantiated by hand. Loading costs some 30 ms and 20 MB: only done
// when there is something to migrate.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum, DriverAdapterError, type SqlQuery } from '@prisma/driver-adapter-utils';
import type { SchemaEngine } from '@prisma/schema-engine-wasm';
import * as glue from '@prisma/schema-engine-wasm/schema_engine_bg';
import pg from 'pg';

/** Node has it; the type libraries that this project loads do not name it. */
declare const WebAssembly: {
  instantiate(bytes: Uint8Array, imports: object): Promise<{ instance: { exports: Record<string, unknown> } }>;
};

const WASM = createRequire(import.meta.url)
  .resolve('@prisma/schema-engine-wasm/schema_engine_bg')
  .replace(/\.js$/, '.wasm');

/** Object ids of the types "char" and text. */
const CHAR = 18;
const TEXT = 25;

let loaded: Promise<void> | undefined;

async function load(): Promise<void> {
  const imports = Object.entries(glue).map(([name, value]) => [name, name.startsWith('__wbg_setTimeout') ? unheldTimer : value]);
  const { instance } = await WebAssembly.instantiate(await readFile(WASM), { './schema_engine_bg.js': Object.fromEntries(imports) });
  glue.__wbg_set_wasm(instance.exports);
  (instance.exports.__wbindgen_start as () => void)();
}

/** The engine's deadline for its lock (10 s) runs on after it has the lock: it must not keep the process alive. */
const unheldTimer = (call: () => void, ms: number): NodeJS.Timeout => setTimeout(call, ms).unref();

/** Runs `work` with an engine on the database at `url`. */
export async function withSchemaEngine<T>(url: string, work: (engine: SchemaEngine) => Promise<T>): Promise<T> {
  loaded ??= load();
  await loaded;
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  pool.on('error', () => {});
  const factory = new PrismaPg(pool);
  const connect = factory.connect.bind(factory);
  factory.connect = async () => fitForEngine(await connect(), pool);
  try {
    const engine = await glue.SchemaEngine.new({ datamodels: undefined }, () => {}, bindMigrationAwareSqlAdapterFactory(factory));
    return await work(engine).finally(() => engine.free());
  } finally {
    await pool.end();
  }
}

type Adapter = Awaited<ReturnType<PrismaPg['connect']>>;

/** What the engine needs and the adapter, made for the client, does not do. */
function fitForEngine(adapter: Adapter, pool: pg.Pool): Adapter {
  // The adapter's own version cuts the script at every semicolon, also inside comments and functions, and commits
  // each piece by itself. Sent whole, the server runs it as one transaction: a migration happens or does not.
  adapter.executeScript = async (script) => {
    await pool.query(script).catch((error: pg.DatabaseError) => {
      throw new DriverAdapterError({
        kind: 'postgres',
        code: error.code ?? '',
        severity: error.severity ?? 'ERROR',
        message: error.message,
        detail: error.detail,
        column: error.column,
        hint: error.hint,
      });
    });
  };

  // Describing a schema reads columns of the catalog's one-byte type "char", which the adapter refuses.
  const { queryRaw } = adapter;
  const { performIO } = adapter as unknown as { performIO(query: SqlQuery): Promise<pg.QueryArrayResult> };
  adapter.queryRaw = async (query) => {
    const chars = new Set<number>();
    const tolerant = Object.assign(Object.create(adapter), {
      async performIO(statement: SqlQuery) {
        const result = await performIO.call(adapter, statement);
        for (const [index, field] of result.fields.entries()) {
          if (field.dataTypeID !== CHAR) continue;
          field.dataTypeID = TEXT;
          chars.add(index);
        }
        return result;
      },
    });
    const result = await queryRaw.call(tolerant, query);
    return { ...result, columnTypes: result.columnTypes.map((type, index) => (chars.has(index) ? ColumnTypeEnum.Character : type)) };
  };
  return adapter;
}
