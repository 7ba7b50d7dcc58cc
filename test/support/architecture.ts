// The rules of test/architecture.test.ts as a function of a map of files (path → source), so that each rule can be shown to
// fail on a planted sample.
import { dirname, join, normalize } from 'node:path/posix';

export interface Rules {
  /** From the lowest floor up; each names folders or files of src (or `schema`), without extension. */
  floors: readonly (readonly string[])[];
  /** Unit → the only units or files it may import, beside itself. */
  only: Readonly<Record<string, readonly string[]>>;
  /** Unit → units it must not import although they are not above. */
  never: Readonly<Record<string, readonly string[]>>;
  /** Unit → the only packages, Node's own included, that it may import. */
  packages: Readonly<Record<string, readonly string[]>>;
  /** Package (or path prefix) → the only units or files that may import it. */
  vendors: Readonly<Record<string, readonly string[]>>;
  /** Files that may read process.env. */
  environment: readonly string[];
  /** index.ts is a barrel unless it is one of these. */
  indexes: readonly string[];
}

type Files = ReadonlyMap<string, string>;

/** Each fault as `file: what is wrong`; none: the rules hold. */
export function faultsOf(files: Files, rules: Rules): string[] {
  return [...files].flatMap(([file, source]) => faultsOfFile(file, source, files, rules)).concat(circles(files));
}

function faultsOfFile(file: string, source: string, files: Files, rules: Rules): string[] {
  const faults: string[] = [];
  const fault = (what: string) => void faults.push(`${file}: ${what}`);
  const code = withoutComments(source);
  const unit = unitOf(file);
  const floorOf = (name: string) => rules.floors.findIndex((floor) => floor.includes(name));

  if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+)?\.ts$/.test(file.split('/').at(-1) ?? '')) fault('the name is not in kebab-case');
  if (file.endsWith('/index.ts') && !rules.indexes.includes(file)) fault('is a barrel');
  if (/\bexport\s+(type\s+)?\*/.test(code)) fault('re-exports everything of another file');
  if (/\bprocess\s*\.\s*env\b/.test(code) && !rules.environment.includes(file)) fault('reads process.env');
  if (floorOf(unit) === -1) fault(`"${unit}" stands on no floor`);

  for (const specifier of importsOf(code)) {
    const target = specifier.startsWith('.') ? normalize(join(dirname(file), specifier)) : specifier;
    const packages = rules.packages[unit];
    if (packages && !specifier.startsWith('.') && !packages.includes(specifier)) {
      fault(`imports ${specifier}: ${unit} uses no package but ${packages.join(', ')}`);
    }
    const vendor = Object.keys(rules.vendors).find((name) => target === name || target.startsWith(`${name}/`));
    if (vendor) {
      if (!allows(rules.vendors[vendor] ?? [], file)) fault(`imports ${vendor}, which belongs to ${rules.vendors[vendor]?.join(', ')}`);
      continue;
    }
    if (!specifier.startsWith('.')) continue;
    if (!files.has(target)) {
      fault(`imports ${target}, which is no file of src or schema`);
      continue;
    }
    const other = unitOf(target);
    if (other === unit) continue;
    if (floorOf(unit) !== -1 && floorOf(other) > floorOf(unit)) fault(`imports ${target}, which is on a higher floor`);
    if (rules.never[unit]?.includes(other)) fault(`imports ${target}: ${unit} never imports ${other}`);
    const only = rules.only[unit];
    if (only && !allows(only, target)) fault(`imports ${target}: ${unit} imports only ${only.join(', ')}`);
  }
  return faults;
}

/** Circles between units and, inside of one, between files. Types count. */
function circles(files: Files): string[] {
  const between = new Map<string, Set<string>>();
  const link = (from: string, to: string) => void between.set(from, (between.get(from) ?? new Set()).add(to));
  for (const [file, source] of files) {
    for (const specifier of importsOf(withoutComments(source))) {
      if (!specifier.startsWith('.')) continue;
      const target = normalize(join(dirname(file), specifier));
      if (unitOf(target) === unitOf(file)) link(file, target);
      else link(`[${unitOf(file)}]`, `[${unitOf(target)}]`);
    }
  }
  const found = new Set<string>();
  const done = new Set<string>();
  const walk = (node: string, path: readonly string[]): void => {
    const start = path.indexOf(node);
    if (start !== -1) found.add(`circle: ${[...path.slice(start), node].join(' → ')}`);
    if (start !== -1 || done.has(node)) return;
    for (const next of between.get(node) ?? []) walk(next, [...path, node]);
    done.add(node);
  };
  for (const node of between.keys()) walk(node, []);
  return [...found];
}

/** src/feed/tail.ts → feed, src/cli.ts → cli, schema/user.ts → schema. */
function unitOf(file: string): string {
  const [top = '', next = ''] = file.split('/');
  return top === 'src' ? next.replace(/\.ts$/, '') : top.replace(/\.ts$/, '');
}

const allows = (places: readonly string[], file: string): boolean => places.includes(unitOf(file)) || places.includes(file);

const withoutComments = (source: string): string => source.replace(/^\s*\/\/.*$/gm, '').replace(/^\s*\/\*[\s\S]*?\*\//gm, '');

const IMPORTS = [
  /(?:^|[;}\s])(?:import|export)\b[^'";]*?\bfrom\s*['"]([^'"]+)['"]/g,
  /(?:^|[;}\s])import\s*['"]([^'"]+)['"]/g,
  /\bimport\s*\(\s*['"]([^'"]+)['"]/g,
];

function importsOf(code: string): string[] {
  return IMPORTS.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1] as string));
}
