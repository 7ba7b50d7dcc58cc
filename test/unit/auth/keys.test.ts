import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { mintKey, readKey, sameHash } from '../../../src/auth/keys.ts';

test('a key is its prefix, its id, a secret of 256 bits and a checksum', () => {
  const { id, key, hash } = mintKey();
  expect(key).toMatch(/^ak_[0-9A-Za-z]{15}_[0-9A-Za-z]{49}$/);
  expect(key.startsWith(`${id}_`)).toBe(true);
  expect(readKey(key)).toEqual({ id, hash });
  expect(hash).toBe(createHash('sha256').update(key).digest('hex'));
});

test('no two keys share an id or a secret', () => {
  const keys = Array.from({ length: 2_000 }, mintKey);
  expect(new Set(keys.map(({ id }) => id)).size).toBe(keys.length);
  expect(new Set(keys.map(({ key }) => key.slice(19, 62))).size).toBe(keys.length);
});

describe('a typo', () => {
  const { key } = mintKey();
  const other = (character: string) => (character === 'x' ? 'y' : 'x');

  test('of one character is refused, wherever it is', () => {
    for (let at = 0; at < key.length; at += 1) {
      expect(readKey(`${key.slice(0, at)}${other(key.charAt(at))}${key.slice(at + 1)}`)).toBeNull();
      expect(readKey(`${key.slice(0, at)}${key.slice(at + 1)}`)).toBeNull();
    }
  });

  test('that swaps two neighbours is refused', () => {
    for (let at = 0; at < key.length - 1; at += 1) {
      const swapped = `${key.slice(0, at)}${key.charAt(at + 1)}${key.charAt(at)}${key.slice(at + 2)}`;
      if (swapped !== key) expect(readKey(swapped)).toBeNull();
    }
  });

  test.each(['', 'ak_', `${key}\n`, ` ${key}`, key.toUpperCase(), key.replace('ak_', 'sk_'), 'ak___', key.slice(0, 18)])(
    '%j is no key',
    (text) => expect(readKey(text)).toBeNull(),
  );
});

test('hashes are the same or not, of whatever length', () => {
  const { hash } = mintKey();
  expect(sameHash(hash, hash)).toBe(true);
  expect(sameHash(hash, mintKey().hash)).toBe(false);
  expect(sameHash(hash, hash.slice(2))).toBe(false);
  expect(sameHash('', hash)).toBe(false);
});
