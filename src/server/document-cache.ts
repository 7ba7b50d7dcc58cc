// Parsed documents, kept by their text. One of 2,000 tokens takes a megabyte and anybody with a key can write a thousand of
// them, so what they weigh is bounded and not how many they are.
import type { DocumentNode } from 'graphql';
import { createWeightedCache } from '../lib/weighted-cache.ts';

const MAX_BYTES = 32 * 1024 * 1024;
const MAX_ERROR_BYTES = 1024 * 1024;
/** Measured on graphql 16: its token, its part of a node, their places. */
const BYTES_PER_TOKEN = 500;
const BYTES_PER_ERROR = 1_000;

export const createDocumentCache = () => ({
  documentCache: createWeightedCache<DocumentNode>({
    maxWeight: MAX_BYTES,
    weigh: (text, document) => 2 * text.length + BYTES_PER_TOKEN * tokensIn(document),
  }),
  errorCache: createWeightedCache<unknown>({ maxWeight: MAX_ERROR_BYTES, weigh: (text) => 2 * text.length + BYTES_PER_ERROR }),
});

function tokensIn(document: DocumentNode): number {
  let count = 0;
  for (let token = document.loc?.startToken ?? null; token; token = token.next) count += 1;
  return count;
}
