// Which documents are compiled, and how large that makes them. Left to graphql: what is rare (directives, introspection, several
// operations), a key `__proto__`, and what would grow large, for fragments are written out wherever they are spread.
import { type DocumentNode, type FragmentDefinitionNode, Kind, type OperationDefinitionNode, type SelectionSetNode, visit } from 'graphql';

const MAX_FIELDS = 400;

export interface Compilable {
  operation: OperationDefinitionNode;
  fragments: Record<string, FragmentDefinitionNode>;
  /** So many are selected. */
  fields: number;
}

/** For documents that are valid. */
export function compilable(document: DocumentNode): Compilable | undefined {
  const fragments: Record<string, FragmentDefinitionNode> = Object.create(null);
  const operations: OperationDefinitionNode[] = [];
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments[definition.name.value] = definition;
    else if (definition.kind === Kind.OPERATION_DEFINITION) operations.push(definition);
  }
  const [operation, ...others] = operations;
  if (operation?.operation !== 'query' || others.length > 0 || !isPlain(document)) return undefined;
  const fields = countFields(operation.selectionSet, fragments);
  return fields <= MAX_FIELDS ? { operation, fragments, fields } : undefined;
}

function isPlain(document: DocumentNode): boolean {
  let plain = true;
  visit(document, {
    Directive() {
      plain = false;
    },
    Name({ value }) {
      if (value.startsWith('__') && value !== '__typename') plain = false;
    },
  });
  return plain;
}

/** As far as it matters: counting ends beyond the limit. */
function countFields(root: SelectionSetNode, fragments: Readonly<Record<string, FragmentDefinitionNode>>): number {
  let count = 0;
  const add = (set: SelectionSetNode | undefined): void => {
    for (const selection of set?.selections ?? []) {
      if (count > MAX_FIELDS) return;
      // A fragment counts as well: spread within each other, those without fields could be many.
      count += 1;
      add(selection.kind === Kind.FRAGMENT_SPREAD ? fragments[selection.name.value]?.selectionSet : selection.selectionSet);
    }
  };
  add(root);
  return count;
}
