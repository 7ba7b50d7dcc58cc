// Texts made of something that never alters, kept beside it. What makes them has a number of its own (`newTextKey`).
export interface KeptTexts {
  get(key: number): string | undefined;
  set(key: number, text: string): void;
  /** Of all of them. */
  bytes(): number;
}

const BYTES_OF_ANY = 100;

let last = 0;
export const newTextKey = (): number => {
  last += 1;
  return last;
};

/** Holds the `max` that were made last. */
export function createKeptTexts({ max, onGrown }: { max: number; onGrown: () => void }): KeptTexts {
  const texts = new Map<number, { text: string; bytes: number }>();
  let bytes = 0;
  const remove = (key: number | undefined): void => {
    if (key === undefined) return;
    bytes -= texts.get(key)?.bytes ?? 0;
    texts.delete(key);
  };
  return {
    bytes: () => bytes,
    get: (key) => texts.get(key)?.text,
    set(key, text) {
      remove(key);
      if (texts.size >= max) remove(texts.keys().next().value);
      // Written anew, in one piece: a text that was put together holds on to its parts.
      const encoded = Buffer.from(text);
      const own = BYTES_OF_ANY + encoded.length * (encoded.length === text.length ? 1 : 2);
      texts.set(key, { text: encoded.toString(encoded.length === text.length ? 'latin1' : 'utf8'), bytes: own });
      bytes += own;
      onGrown();
    },
  };
}
