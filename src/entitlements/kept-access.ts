// What look-ups have read, kept so that the next one only asks whether it still is what is stored (lookup.ts): nothing of it is
// ever answered unasked. By user: the revision, and by which content it is known; by content: access, which many users have
// alike (as in wide-shapes.ts), and the texts that were made of it. Both are bounded in bytes, what was used last stays.
import { hash } from 'node:crypto';
import { createKeptTexts, type KeptTexts } from '../lib/kept-texts.ts';
import { createWeightedCache } from '../lib/weighted-cache.ts';
import type { Effective } from '../model/entitlement.ts';

export interface StoredAccess {
  effective: Effective;
  texts: KeptTexts;
}

export interface KeptVersion extends StoredAccess {
  revision: number;
}

export interface KeptAccess {
  /** undefined: nothing is kept. */
  of(userId: string): KeptVersion | undefined;
  /** `content`: JSON of an Effective. */
  keep(userId: string, revision: number, content: string): StoredAccess;
}

/** Of the bytes, for users. Theirs are small, but there are many. */
const SHARE_OF_USERS = 0.25;
/** Measured, of an entry besides its id, and of access besides its texts: so many for each character of its JSON. */
const BYTES_PER_USER = 250;
const BYTES_PER_CHARACTER = 2.5;
const BYTES_OF_ANY = 1_000;
/** Different questions about the same access whose answers are kept. */
const MAX_TEXTS = 8;

interface Content extends StoredAccess {
  /** Of its JSON. */
  characters: number;
}

export function createKeptAccess(maxBytes: number): KeptAccess {
  const users = createWeightedCache<{ revision: number; digest: string }>({
    maxWeight: Math.floor(maxBytes * SHARE_OF_USERS),
    weigh: (userId) => BYTES_PER_USER + userId.length,
  });
  const contents = createWeightedCache<Content>({
    maxWeight: Math.floor(maxBytes * (1 - SHARE_OF_USERS)),
    weigh: (_digest, { characters, texts }) => BYTES_OF_ANY + Math.ceil(BYTES_PER_CHARACTER * characters) + texts.bytes(),
  });

  function add(digest: string, text: string): Content {
    const content: Content = {
      effective: JSON.parse(text) as Effective,
      characters: text.length,
      // One that made room since is kept by nobody else, and stays away.
      texts: createKeptTexts({ max: MAX_TEXTS, onGrown: () => contents.get(digest) === content && contents.set(digest, content) }),
    };
    contents.set(digest, content);
    return content;
  }

  return {
    of(userId) {
      const user = users.get(userId);
      const content = user && contents.get(user.digest);
      return content && { revision: user.revision, effective: content.effective, texts: content.texts };
    },
    keep(userId, revision, text) {
      const digest = hash('sha256', text, 'base64');
      const content = contents.get(digest) ?? add(digest, text);
      users.set(userId, { revision, digest });
      return content;
    },
  };
}
