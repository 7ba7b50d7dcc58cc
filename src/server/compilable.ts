// Which documents the compiler (graphql-jit) may be given, and how large the code will be that it makes of them. It writes
// names and literals of the document into that code. So a document that spells out a text or an object is left to Yoga: some
// would end up as code. Left out too: what it answers otherwise than graphql does (a key `__proto__`), what is rare
// (directives, introspection), and what would grow large (it writes fragments out wherever they are spread).
import { type DocumentNode, type FragmentDefinitionNode, Kind, type OperationDefinitionNode, type SelectionSetNode, visit } from 'graphql';

export const MAX_FIELDS = 400;

const REFUSED: ReadonlySet<string> = new Set([Kind.STRING, Kind.OBJECT, Kind.DIRECTIVE]);

/** Its one query and the number of fields that it selects; undefined: not to be compiled. For documents that are valid. */
export function compilable(document: DocumentNode): { operation: OperationDefinitionNode; fields: number } | undefined {
  const fragments = new Map<string, FragmentDefinitionNode>();
  const operations: OperationDefinitionNode[] = [];
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
    else if (definition.kind === Kind.OPERATION_DEFINITION) operations.push(definition);
  }
  const [operation, ...others] = operations;
  if (operation?.operation !== 'query' || others.length > 0 || !isPlain(document)) return undefined;
  const fields = countFields(operation.selectionSet, fragments);
  return fields <= MAX_FIELDS ? { operation, fields } : undefined;
}

function isPlain(document: DocumentNode): boolean {
  let plain = true;
  visit(document, {
    enter(node) {
      if (REFUSED.has(node.kind) || (node.kind === Kind.NAME && node.value.startsWith('__') && node.value !== '__typename')) plain = false;
    },
  });
  return plain;
}

/** As far as it matters: counting ends beyond the limit. */
function countFields(root: SelectionSetNode, fragments: ReadonlyMap<string, FragmentDefinitionNode>): number {
  let count = 0;
  const add = (set: SelectionSetNode | undefined): void => {
    for (const selection of set?.selections ?? []) {
      if (count > MAX_FIELDS) return;
      if (selection.kind === Kind.FRAGMENT_SPREAD) add(fragments.get(selection.name.value)?.selectionSet);
      else {
        count += 1;
        add(selection.selectionSet);
      }
    }
  };
  add(root);
  return count;
}
