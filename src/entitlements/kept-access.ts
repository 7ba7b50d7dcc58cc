// What look-ups have read, kept so that the next one only asks whether it still is what is stored (lookup.ts): nothing of it is
// ever answered unasked. By user: the revision, and which content it has (kept-versions.ts); by content: access, which many users
// have alike (as in wide-shapes.ts), and the texts that were made of it. Contents that differ have most of their parts in common:
// paths and names are held once. All of it is bounded in bytes, what was used last stays.
import { hash } from 'node:crypto';
import { createKeptTexts, type KeptTexts } from '../lib/kept-texts.ts';
import { createSharedParts } from '../lib/shared-parts.ts';
import { createWeightedCache } from '../lib/weighted-cache.ts';
import type { Effective } from '../model/entitlement.ts';
import { createKeptVersions } from './kept-versions.ts';

export interface StoredAccess {
  effective: Effective;
  texts: KeptTexts;
}

export interface KeptVersion extends StoredAccess {
  revision: number;
}

export interface KeptAccess {
  /** undefined: nothing is kept. Of another user, rarely: it is this one's only when the revision is the one stored. */
  of(userId: string): KeptVersion | undefined;
  /** `content`: JSON of an Effective. */
  keep(userId: string, revision: number, content: string): StoredAccess;
}

/** Of the bytes, for users. Theirs are few, but there are many of them. */
const SHARE_OF_USERS = 0.25;
/** Measured, of access besides its parts and its texts. */
const BYTES_OF_ANY = 1_400;
const BYTES_PER_NAME = 16;
const BYTES_PER_PERMISSION = 70;
/** Different questions about the same access whose answers are kept. */
const MAX_TEXTS = 8;

interface Content extends StoredAccess {
  digest: string;
}

export function createKeptAccess(maxBytes: number): KeptAccess {
  const versions = createKeptVersions(maxBytes * SHARE_OF_USERS);
  const parts = createSharedParts();
  /** By digest; never given twice, so that what is not there any more is not taken for something else. */
  const numbers = new Map<string, number>();
  let lastNumber = 0;
  const contents = createWeightedCache<Content, number>({
    maxWeight: Math.floor(maxBytes * (1 - SHARE_OF_USERS)),
    weigh: (_number, { effective, texts }) => bytesOf(effective) + texts.bytes(),
    shared: parts.bytes,
    onGone({ effective, digest }) {
      numbers.delete(digest);
      withParts(effective, (key, part) => {
        parts.giveBack(key);
        return part;
      });
    },
  });

  function add(digest: string, text: string): Content {
    lastNumber += 1;
    const number = lastNumber;
    const content: Content = {
      digest,
      effective: withParts(JSON.parse(text) as Effective, parts.take),
      // One that made room since is kept by nobody else, and stays away.
      texts: createKeptTexts({ max: MAX_TEXTS, onGrown: () => contents.get(number) === content && contents.set(number, content) }),
    };
    numbers.set(digest, number);
    contents.set(number, content);
    return content;
  }

  return {
    of(userId) {
      const version = versions.of(userId);
      const content = version && contents.get(version.content);
      return content && { revision: version.revision, effective: content.effective, texts: content.texts };
    },
    keep(userId, revision, text) {
      const digest = hash('sha256', text, 'base64');
      const content = contents.get(numbers.get(digest) ?? 0) ?? add(digest, text);
      versions.keep(userId, revision, numbers.get(digest) ?? 0);
      return content;
    },
  };
}

const bytesOf = ({ roles, permissions, reasons }: Effective): number =>
  BYTES_OF_ANY + BYTES_PER_NAME * (roles.length + reasons.paths.length) + BYTES_PER_PERMISSION * permissions.length;

/** `of` of every part, and what is made of its answers. */
function withParts({ roles, permissions, reasons }: Effective, of: <T>(key: string, part: T) => T): Effective {
  // In JSON, so that no name is the key of a list or a path.
  const name = (text: string): string => of(JSON.stringify(text), text);
  // Without a hidden class: each of them would have one of its own.
  const indices: Record<string, number[]> = Object.create(null);
  for (const [permission, own] of Object.entries(reasons.permissions)) indices[name(permission)] = of(JSON.stringify(own), own);
  return {
    roles: roles.map(name),
    permissions: permissions.map(name),
    reasons: { paths: reasons.paths.map((path) => of(JSON.stringify(path), path)), permissions: indices },
  };
}
