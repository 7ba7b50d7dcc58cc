// API keys as text: `ak_<id>_<secret><checksum>`, all in base62. The id is public and finds the row; the secret has 256 bits;
// the checksum refuses what was mistyped or made up without a look-up, and lets scanners for leaked secrets tell a real key.
// What is stored is the SHA-256 of the whole text: with 256 random bits inside there is nothing that a slow hash could add.
import { hash as hashInOneGo, randomBytes, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** Bytes and the digits that they take. */
const ID = { bytes: 11, digits: 15 };
const SECRET = { bytes: 32, digits: 43 };
const CHECKSUM_DIGITS = 6;

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const FORM = new RegExp(`^((ak_[0-9A-Za-z]{${ID.digits}})_[0-9A-Za-z]{${SECRET.digits}})([0-9A-Za-z]{${CHECKSUM_DIGITS}})$`);

export interface MintedKey {
  /** `ak_<id>`: what a key begins with is what it is called by. */
  id: string;
  /** Shown once, stored nowhere. */
  key: string;
  hash: string;
}

export interface PresentedKey {
  id: string;
  hash: string;
}

export function mintKey(): MintedKey {
  const id = `ak_${random(ID)}`;
  const body = `${id}_${random(SECRET)}`;
  const key = `${body}${checksum(body)}`;
  return { id, key, hash: hashOf(key) };
}

/** null: this cannot be a key of ours. `hash` of the text, for who has it already. */
export function readKey(text: string, hash: string = hashOf(text)): PresentedKey | null {
  const [, body, id, sum] = FORM.exec(text) ?? [];
  return body !== undefined && id !== undefined && sum === checksum(body) ? { id, hash } : null;
}

/** Takes the same time wherever two hashes differ. */
export function sameHash(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a, 'hex'), Buffer.from(b, 'hex')];
  return left.length === right.length && timingSafeEqual(left, right);
}

export const hashOf = (text: string): string => hashInOneGo('sha256', text, 'hex');

/** Without BigInt: this is read with every request. */
function checksum(body: string): string {
  let text = '';
  for (let rest = crc32(body); text.length < CHECKSUM_DIGITS; rest = Math.floor(rest / 62)) text = `${DIGITS[rest % 62]}${text}`;
  return text;
}

const random = ({ bytes, digits }: { bytes: number; digits: number }): string =>
  base62(BigInt(`0x${randomBytes(bytes).toString('hex')}`), digits);

function base62(number: bigint, digits: number): string {
  let text = '';
  for (let rest = number; text.length < digits; rest /= 62n) text = `${DIGITS[Number(rest % 62n)]}${text}`;
  return text;
}
