// Remembers what a pure function made of a text, for texts that come again thousands of times a second. A few, and for a moment
// only: some of them are secrets.
const MAX_KEYS = 1_000;
const MAX_LENGTH = 4_096;
const MAX_AGE_MS = 2_000;

export function briefly<V>(make: (text: string) => V): (text: string) => V {
  let made = new Map<string, V>();
  let begunAtMs = Number.NEGATIVE_INFINITY;
  return (text) => {
    const now = performance.now();
    if (now - begunAtMs > MAX_AGE_MS || made.size >= MAX_KEYS) {
      made = new Map();
      begunAtMs = now;
    }
    const known = made.get(text);
    if (known !== undefined) return known;
    const value = make(text);
    if (text.length <= MAX_LENGTH) made.set(text, value);
    return value;
  };
}
