// DateTime is ISO 8601 in UTC on the way out; on the way in it must name its zone. JSON passes through. Cursor is text
// here: what it means is decided by the context, which knows the log (see context.ts).
import { GraphQLScalarType, Kind, type ValueNode, valueFromASTUntyped } from 'graphql';
import { AccessError } from '../src/errors.ts';

const ISO_8601 = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)$/i;

function toDate(value: unknown): Date {
  const date = typeof value === 'string' && ISO_8601.test(value) ? new Date(value) : undefined;
  // Postgres has no year 0, and its own way to write what lies before; NaN is in no range.
  if (!date || !(date.getUTCFullYear() >= 1 && date.getUTCFullYear() <= 9_999)) {
    throw new AccessError('BAD_USER_INPUT', 'A DateTime is written in ISO 8601 with its zone, for example 2026-01-31T09:00:00Z.');
  }
  return date;
}

function toText(value: unknown): string {
  if (typeof value !== 'string') throw new AccessError('CURSOR_INVALID', 'A Cursor is the text that this service returned as one.');
  return value;
}

/** As `toISOString` writes it: what is stored as text was written so. */
const CANONICAL = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const toIso = (value: unknown): string => {
  if (typeof value === 'string' && CANONICAL.test(value)) return value;
  return (value instanceof Date ? value : new Date(String(value))).toISOString();
};

const literal = (node: ValueNode): unknown => (node.kind === Kind.STRING ? node.value : undefined);

export const DateTime = new GraphQLScalarType<Date, string>({
  name: 'DateTime',
  description: 'ISO 8601 in UTC',
  serialize: toIso,
  parseValue: toDate,
  parseLiteral: (node) => toDate(literal(node)),
});

export const Json = new GraphQLScalarType<unknown, unknown>({
  name: 'JSON',
  serialize: (value) => value,
  parseValue: (value) => value,
  parseLiteral: (node, variables) => valueFromASTUntyped(node, variables),
});

export const Cursor = new GraphQLScalarType<string, string>({
  name: 'Cursor',
  description: 'Opaque position in the change log',
  serialize: String,
  parseValue: toText,
  parseLiteral: (node) => toText(literal(node)),
});
