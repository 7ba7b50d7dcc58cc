// The rule that keeps resolvers bound to the caller's organization (I6), as a function of the sources: only the binders hold a
// client that sees everything, and they hand out what is bound. As a function, so that each part can be shown to fail.

/** Files of schema/ that may hold an unbound client: they bind it, or write SQL that takes the tenant as a parameter. */
const BINDERS = ['context.ts', 'tenant.ts', 'reads.ts', 'loaders.ts'];
const SQL = ['role-rows.ts', 'membership-pages.ts', 'unknown-freshness.ts'];

type Files = ReadonlyMap<string, string>;

export function bindingFaults(files: Files): string[] {
  return [...files].flatMap(([file, source]) => {
    const name = /^schema\/([^/]+\.ts)$/.exec(file)?.[1];
    if (name === undefined) return [];
    const found = SQL.includes(name) ? unboundSql(source) : BINDERS.includes(name) ? [] : reachesAround(source, files);
    return found.map((fault) => `${file}: ${fault}`);
  });
}

/** A resolver: what it imports, and what it calls. */
function reachesAround(source: string, files: Files): string[] {
  const faults: string[] = [];
  for (const { specifier, names, typesOnly } of importsOf(source)) {
    const target = specifier.startsWith('../') ? specifier.slice(3) : `schema/${specifier.slice(2)}`;
    for (const { name, isType } of names) {
      const asType = typesOnly || isType;
      if (target === 'src/db/client.ts' && !(asType && name === 'Prisma')) faults.push(`imports ${name} of ${target}`);
      else if (!asType && takesClient(name, files.get(target) ?? '')) faults.push(`imports ${name}, which takes a client`);
    }
  }
  for (const [call] of source.matchAll(/\.\$(queryRaw|executeRaw|transaction|extends)\w*/g)) faults.push(`calls ${call}`);
  return faults;
}

/** Hand-written SQL for resolvers knows no row without knowing for whom. */
function unboundSql(source: string): string[] {
  return [...source.matchAll(/export (?:async )?(?:function|const) (\w+)([\s\S]*?)(?:=>|\n\)|\{\n)/g)]
    .filter(([, , signature = '']) => /\bdb: Db\b/.test(signature) && !/\btenant: string \| null\b/.test(signature))
    .map(([, name]) => `${name} takes a client and no tenant`);
}

const takesClient = (name: string, source: string): boolean =>
  new RegExp(`export (?:async )?(?:function|const) ${name}\\b[^(]*\\(\\s*(?:(?:db|tx)\\b|\\{[^})]*\\b(?:db|tx)\\b)`).test(source);

function importsOf(source: string): { specifier: string; typesOnly: boolean; names: { name: string; isType: boolean }[] }[] {
  return [...source.matchAll(/^import (type )?(?:\{([^}]*)\} from )?'(\.[^']+)'/gm)].map(([, types, list = '', specifier = '']) => ({
    specifier,
    typesOnly: types !== undefined,
    names: list
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean)
      .map((part) => ({ name: part.replace(/^type /, '').replace(/ as .*/, ''), isType: part.startsWith('type ') })),
  }));
}
