// Pure: pairs, found from either side.

export interface Relation {
  add(left: string, right: string): void;
  delete(left: string, right: string): void;
  deleteLeft(left: string): void;
  deleteRight(right: string): void;
  rightsOf(left: string): Iterable<string>;
  leftsOf(right: string): Iterable<string>;
  pairs(): [left: string, right: string][];
}

type Index = Map<string, Set<string>>;

function link(index: Index, from: string, to: string): void {
  const known = index.get(from);
  if (known) known.add(to);
  else index.set(from, new Set([to]));
}

function unlink(index: Index, from: string, to: string): void {
  const known = index.get(from);
  if (known?.delete(to) && known.size === 0) index.delete(from);
}

export function createRelation(initial: readonly (readonly [string, string])[]): Relation {
  const byLeft: Index = new Map();
  const byRight: Index = new Map();
  const add = (left: string, right: string): void => {
    link(byLeft, left, right);
    link(byRight, right, left);
  };
  for (const [left, right] of initial) add(left, right);
  return {
    add,
    delete(left, right) {
      unlink(byLeft, left, right);
      unlink(byRight, right, left);
    },
    deleteLeft(left) {
      for (const right of byLeft.get(left) ?? []) unlink(byRight, right, left);
      byLeft.delete(left);
    },
    deleteRight(right) {
      for (const left of byRight.get(right) ?? []) unlink(byLeft, left, right);
      byRight.delete(right);
    },
    rightsOf: (left) => byLeft.get(left) ?? [],
    leftsOf: (right) => byRight.get(right) ?? [],
    pairs: () => [...byLeft].flatMap(([left, rights]) => [...rights].map((right): [string, string] => [left, right])),
  };
}
