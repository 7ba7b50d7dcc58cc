// Of each user: the revision that was read last, and which content it has. There may be a million of them, so each is a few
// numbers in a table of a fixed size, which is all that it ever takes. Its id is there as a number of 32 bits, of which others
// may have the same: what is found is a guess, and good for asking whether it still is the revision (lookup.ts). Revisions are
// drawn at random, so that of one user is never the one stored of another.
export interface KeptVersionNumbers {
  revision: number;
  content: number;
}

export interface KeptVersions {
  /** undefined: nothing is kept. */
  of(userId: string): KeptVersionNumbers | undefined;
  keep(userId: string, revision: number, content: number): void;
}

/** Places for one user, of which the one used longest ago makes room. Their ids are one line of the processor's cache. */
const WAYS = 16;
const BYTES_PER_PLACE = Uint32Array.BYTES_PER_ELEMENT + 2 * Float64Array.BYTES_PER_ELEMENT;

export function createKeptVersions(maxBytes: number): KeptVersions {
  const rows = Math.max(1, Math.floor(maxBytes / (WAYS * BYTES_PER_PLACE)));
  /** 0: free. */
  const ids = new Uint32Array(rows * WAYS);
  const revisions = new Float64Array(rows * WAYS);
  const contents = new Float64Array(rows * WAYS);
  // Set by `place`, so that a look makes no garbage.
  let first = 0;
  let id = 0;

  /** Where it is, or the last of its places. The row is drawn from other bits than the id. */
  function place(userId: string): number {
    let a = 0x811c9dc5;
    let b = 0x9747b28c;
    for (let index = 0; index < userId.length; index += 1) {
      const code = userId.charCodeAt(index);
      a = Math.imul(a ^ code, 0x01000193);
      b = Math.imul(b ^ code, 0x5bd1e995) ^ (b >>> 15);
    }
    id = mixed(a) || 1;
    first = (mixed(b) % rows) * WAYS;
    const end = first + WAYS - 1;
    for (let at = first; at < end; at += 1) if (ids[at] === id) return at;
    return end;
  }

  /** Those used later move on by one, into the place that it leaves. */
  function toFront(at: number, revision: number, content: number): void {
    ids.copyWithin(first + 1, first, at);
    revisions.copyWithin(first + 1, first, at);
    contents.copyWithin(first + 1, first, at);
    ids[first] = id;
    revisions[first] = revision;
    contents[first] = content;
  }

  return {
    of(userId) {
      const at = place(userId);
      if (ids[at] !== id) return undefined;
      const found = { revision: revisions[at] as number, content: contents[at] as number };
      if (at !== first) toFront(at, found.revision, found.content);
      return found;
    },
    keep: (userId, revision, content) => toFront(place(userId), revision, content),
  };
}

/** Every bit of it depends on all of `hash` (the last steps of MurmurHash3). */
function mixed(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
