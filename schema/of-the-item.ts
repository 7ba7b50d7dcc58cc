import type { KeptTexts } from '../src/lib/kept-texts.ts';

/**
 * Extension of a field that shows nothing but its item: the same to everybody who may see it, and for ever. What is answered once
 * for many (src/server/shared-answers.ts) is made of such fields only.
 */
export const OF_THE_ITEM = { extensions: { ofTheItem: true } };

/** The texts that are kept of what a field shows; undefined: that is not kept. */
export type OfKept = (item: unknown) => KeptTexts | undefined;

/**
 * Extension of a field that shows nothing but a part of its item that is kept, as long as all below it is of its item: its text is
 * written once and kept there (src/server/compile-query.ts).
 */
export const ofKept = <T>(texts: (item: T) => KeptTexts | undefined) => ({ extensions: { ofKept: texts as OfKept } });

export const textsOf = ({ extensions }: { extensions: { ofKept?: OfKept } }): OfKept | undefined => extensions.ofKept;
