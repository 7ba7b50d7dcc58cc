// What a document may not do, beyond what armor counts.
import { type ASTVisitor, GraphQLError, NoSchemaIntrospectionCustomRule, type SelectionSetNode, type ValidationContext } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { DOCUMENT_LIMITS } from './limits.ts';

/** The same field again and again costs validation the square of their number, and one line of the answer. */
export const limitRepetitions = (context: ValidationContext): ASTVisitor => ({
  SelectionSet({ selections }: SelectionSetNode) {
    const counts = new Map<string, number>();
    for (const selection of selections) {
      const name =
        selection.kind === 'Field'
          ? (selection.alias ?? selection.name).value
          : selection.kind === 'FragmentSpread'
            ? `...${selection.name.value}`
            : '...';
      const count = (counts.get(name) ?? 0) + 1;
      counts.set(name, count);
      if (count === DOCUMENT_LIMITS.repetitions + 1) {
        context.reportError(
          new GraphQLError(`"${name}" stands more than ${DOCUMENT_LIMITS.repetitions} times in one selection.`, { nodes: selection }),
        );
      }
    }
  },
});

const withoutSuggestion = (error: GraphQLError): GraphQLError => {
  // In place: the error is ours alone, and a copy would lose what other plugins have noted on it.
  error.message = error.message.replace(/ ?Did you mean [^?]*\?/g, '');
  return error;
};

/** Runs on every transport. `introspection: false`: the schema does not show itself, by errors neither. */
export const useDocumentRules = ({ introspection }: { introspection: boolean }): Plugin => ({
  onValidate({ addValidationRule }) {
    addValidationRule(limitRepetitions);
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
