// The opaque `Cursor` of the contract: a position in one particular change log. The log's id is inside, so that a cursor
// of another database (or of a connection) is refused instead of being taken for a place in this log.
import { AccessError } from '../errors.ts';

/** Position in the change log: 0 is before the first change. */
export type Position = bigint;

/** Where a version that is still valid ends. Fits Postgres' bigint. */
export const OPEN_END: Position = 9_223_372_036_854_775_807n;

export const encodeCursor = (logId: string, position: Position): string => Buffer.from(`log:${logId}:${position}`).toString('base64url');

export function decodeCursor(logId: string, cursor: string): Position {
  const match = /^log:([0-9a-z]+):(0|[1-9][0-9]{0,18})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  if (!match || Buffer.from(match[0]).toString('base64url') !== cursor) {
    throw new AccessError('CURSOR_INVALID', 'This is not a cursor of the change log. Use one that this service returned, or leave it out.');
  }
  if (match[1] !== logId) {
    throw new AccessError(
      'CURSOR_INVALID',
      'This cursor belongs to another change log (another database or a restored one). Take a new snapshot and follow from its asOf.',
    );
  }
  const position = BigInt(match[2] as string);
  if (position >= OPEN_END) throw new AccessError('CURSOR_INVALID', 'This cursor is out of range.');
  return position;
}
