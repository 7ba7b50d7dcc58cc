// Equal parts of many values, held once: each stays for as long as one of those who took it has not given it back, and is
// counted that long.
export interface SharedParts {
  /** `part`, or its equal. `key`: the same for equal parts only; every one of them is never altered. */
  take<T>(key: string, part: T): T;
  /** Once for each `take`. */
  giveBack(key: string): void;
  bytes(): number;
}

/** Measured, of a small part with its place. */
const BYTES_OF_ANY = 250;
/** The key, and about as much in the part. */
const BYTES_PER_CHARACTER = 2;

interface Held {
  part: unknown;
  holders: number;
}

export function createSharedParts(): SharedParts {
  const parts = new Map<string, Held>();
  let bytes = 0;
  const bytesOf = (key: string): number => BYTES_OF_ANY + BYTES_PER_CHARACTER * key.length;
  return {
    bytes: () => bytes,
    take<T>(key: string, part: T): T {
      const held = parts.get(key);
      if (held) {
        held.holders += 1;
        return held.part as T;
      }
      parts.set(key, { part, holders: 1 });
      bytes += bytesOf(key);
      return part;
    },
    giveBack(key) {
      const held = parts.get(key);
      if (!held) return;
      held.holders -= 1;
      if (held.holders > 0) return;
      parts.delete(key);
      bytes -= bytesOf(key);
    },
  };
}
