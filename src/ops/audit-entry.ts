// Pure: what the audit keeps of a mutation's arguments and result. Secrets are left out by name; text that Postgres cannot
// hold is made harmless, because an operation must not escape its entry by being malformed.
import { createHash } from 'node:crypto';
import type { Prisma } from '../db/client.ts';

const SECRET = /token|secret|password|credential/i;
const MAX_INPUT_CHARACTERS = 100_000;
const MAX_TEXT_CHARACTERS = 1_000;

export const harmless = (text: string): string => text.toWellFormed().replaceAll('\0', '\ufffd');

const short = (value: unknown): string | null =>
  typeof value === 'string' && value !== '' ? harmless(value).slice(0, MAX_TEXT_CHARACTERS) : null;

/** As JSON. What is too long to keep stays recognisable by its digest. */
export function inputOf(args: object): Prisma.InputJsonValue {
  const text = JSON.stringify(args, (name, value: unknown) => {
    if (SECRET.test(name) && value !== null && value !== undefined) return '[left out]';
    return typeof value === 'string' ? harmless(value) : value;
  });
  if (text.length > MAX_INPUT_CHARACTERS)
    return { leftOut: `${text.length} characters`, sha256: createHash('sha256').update(text).digest('hex') };
  return JSON.parse(text) as Prisma.InputJsonValue;
}

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;

/** The values of a field in a result: its own, of what it wraps (a created key), or of the rows of a list. */
const valuesIn = (result: unknown, name: string): unknown[] => {
  if (Array.isArray(result)) return result.map((row) => field(row, name));
  const own = field(result, name);
  if (own !== undefined) return [own];
  return typeof result === 'object' && result !== null ? Object.values(result).flatMap((part) => field(part, name) ?? []) : [];
};

const theOnly = (values: readonly unknown[]): string | null => {
  const distinct = new Set(values);
  return distinct.size === 1 ? short([...distinct][0]) : null;
};

const SUBJECTS = ['id', 'eventId', 'userId', 'directoryId', 'organizationId'];

/** By the result where it has an id, else by the first argument that names something. */
export const targetOf = (args: object, result?: unknown): string | null =>
  theOnly(valuesIn(result, 'id')) ?? SUBJECTS.map((name) => short(field(args, name))).find((id) => id !== null) ?? null;

/** null: none, or several. */
export const organizationOf = (result: unknown): string | null => theOnly(valuesIn(result, 'organizationId'));

export const reasonOf = (args: object): string | null => short(field(args, 'reason')) ?? short(field(field(args, 'input'), 'reason'));
