// What the answer to an item of a subscription depends on, besides the item: found out once per document. Fields say of
// themselves that they show nothing but their item (`extensions: OF_THE_ITEM` in schema/); where every field of a document does,
// two who ask by the same document with the same variables below the root get the same answer. The root field's own arguments
// only choose the items.
import { type DocumentNode, type FieldNode, type GraphQLSchema, getOperationAST, Kind, TypeInfo, visit, visitWithTypeInfo } from 'graphql';

export interface AnswerPlan {
  /** Those that the answer depends on. */
  variables: readonly string[];
}

/** null: an answer depends on who asks, and when. For documents that have passed validation. */
export function planAnswers(schema: GraphQLSchema, document: DocumentNode, operationName: string | null | undefined): AnswerPlan | null {
  if (getOperationAST(document, operationName)?.operation !== 'subscription') return null;
  const root = schema.getSubscriptionType();
  const variables = new Set<string>();
  let isOfTheItem = true;
  const info = new TypeInfo(schema);
  visit(
    document,
    visitWithTypeInfo(info, {
      [Kind.FIELD](node: FieldNode) {
        if (node.name.value !== '__typename' && info.getFieldDef()?.extensions.ofTheItem !== true) isOfTheItem = false;
      },
      [Kind.ARGUMENT]: () => (info.getParentType() === root && !info.getDirective() ? false : undefined),
      [Kind.VARIABLE_DEFINITION]: () => false,
      [Kind.VARIABLE]: (node) => void variables.add(node.name.value),
    }),
  );
  return isOfTheItem ? { variables: [...variables].sort() } : null;
}
