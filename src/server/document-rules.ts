// What a document may not do, beyond what armor counts.
import { type DocumentNode, GraphQLError, Kind, NoSchemaIntrospectionCustomRule, type SelectionNode, visit } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { DOCUMENT_LIMITS } from './limits.ts';

/** Looked at before validation, whose work grows with the square of it. */
function repetitionsIn(document: DocumentNode): GraphQLError[] {
  const errors: GraphQLError[] = [];
  visit(document, {
    SelectionSet({ selections }) {
      const counts = new Map<string, number>();
      for (const selection of selections) {
        const name = nameOf(selection);
        const count = (counts.get(name) ?? 0) + 1;
        counts.set(name, count);
        if (count !== DOCUMENT_LIMITS.repetitions + 1) continue;
        errors.push(
          new GraphQLError(`"${name}" stands more than ${DOCUMENT_LIMITS.repetitions} times in one selection.`, { nodes: selection }),
        );
      }
    },
  });
  return errors;
}

function nameOf(selection: SelectionNode): string {
  if (selection.kind === Kind.FIELD) return (selection.alias ?? selection.name).value;
  return selection.kind === Kind.FRAGMENT_SPREAD ? `...${selection.name.value}` : '...';
}

const withoutSuggestion = (error: GraphQLError): GraphQLError => {
  // In place: the error is ours alone, and a copy would lose what other plugins have noted on it.
  error.message = error.message.replace(/ ?Did you mean [^?]*\?/g, '');
  return error;
};

/** Runs on every transport. `introspection: false`: the schema does not show itself, by errors neither. */
export const useDocumentRules = ({ introspection }: { introspection: boolean }): Plugin => ({
  onValidate({ addValidationRule, params: { documentAST }, setResult: settle }) {
    const repetitions = repetitionsIn(documentAST);
    if (repetitions.length > 0) settle(repetitions);
    if (!introspection) addValidationRule(NoSchemaIntrospectionCustomRule);
    return ({ valid, result, setResult }) => {
      if (valid) return;
      const shown = (result as readonly GraphQLError[]).slice(0, DOCUMENT_LIMITS.faultsShown);
      setResult(introspection ? shown : shown.map(withoutSuggestion));
    };
  },
  onExecute: () => ({
    onExecuteDone({ result }) {
      if (!introspection && 'errors' in result) result.errors?.forEach(withoutSuggestion);
    },
  }),
  onSubscribe: () => ({
    onSubscribeResult({ result }) {
      if (!introspection && 'errors' in result) result.errors?.forEach(withoutSuggestion);
    },
  }),
});
