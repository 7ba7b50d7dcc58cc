// Pure: objects by id in order of creation, with the memory of what was deleted. Ranks and deletions are shared by all
// collections of one truth, since ids are unique among them.

export interface Collection<T extends { id: string }> {
  readonly items: ReadonlyMap<string, T>;
  put(object: T): void;
  remove(id: string | undefined): void;
  wasDeleted(id: string): boolean;
}

export function createCollection<T extends { id: string }>(
  initial: readonly T[],
  ranks: Map<string, number>,
  deletedIds: Set<string>,
): Collection<T> {
  const items = new Map<string, T>();
  let nextRank = 0;
  const put = (object: T): void => {
    // One who comes back counts as new: a Map puts it last, and so must its rank.
    if (!items.has(object.id)) {
      ranks.delete(object.id);
      ranks.set(object.id, nextRank);
      nextRank += 1;
    }
    deletedIds.delete(object.id);
    items.set(object.id, object);
  };
  for (const object of initial) put(object);
  return {
    items,
    put,
    remove(id) {
      if (id === undefined) return;
      deletedIds.add(id);
      items.delete(id);
    },
    wasDeleted: (id) => deletedIds.has(id),
  };
}
