/**
 * Extension of a field that shows nothing but its item: the same to everybody who may see it, and for ever. What is answered once
 * for many (src/server/shared-answers.ts) is made of such fields only.
 */
export const OF_THE_ITEM = { extensions: { ofTheItem: true } };
