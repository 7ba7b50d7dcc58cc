// Statements of one transaction that were sent without waiting for each other's answers; the database does them in their order.

/** Their answers. Where one has failed those after it fail because of it, so the first one's error is thrown. */
export async function together<T extends readonly Promise<unknown>[]>(...answers: T): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(answers);
  return Promise.all(answers);
}
