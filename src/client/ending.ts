// How a connection or a request ended, and what to do about it: the table of what heals. Only a cursor that is no place in the
// log and a request that is wrong in itself are told to the consumer; whatever may be better in a minute is tried again.
import { RequestRefused, SnapshotNeeded } from './errors.ts';

export interface WireError {
  message: string;
  extensions?: { code?: unknown };
}

export type Ending =
  /** GraphQL errors: of the subscription as such, or in place of an item. */
  | { kind: 'errors'; errors: readonly WireError[] }
  /** WebSocket close code, or HTTP status. */
  | { kind: 'closed'; code: number; reason: string }
  /** Nothing came any more, not even the checkpoints of a quiet feed; or what came was no answer. */
  | { kind: 'broken'; reason: string }
  /** The server says that there is no more, which is never so. */
  | { kind: 'completed' };

export type Verdict = { kind: 'tell'; error: SnapshotNeeded | RequestRefused } | { kind: 'retry'; reason: string; freshToken: boolean };

/** Close codes and HTTP statuses that a new token may mend. */
const UNAUTHORIZED = [4401, 4403, 401, 403];

export function judge(ending: Ending): Verdict {
  switch (ending.kind) {
    case 'errors':
      return judgeError(ending.errors[0] ?? { message: 'an error without a text' });
    case 'closed':
      return {
        kind: 'retry',
        reason: `${ending.code} ${ending.reason}`.trim(),
        freshToken: UNAUTHORIZED.includes(ending.code),
      };
    case 'broken':
      return { kind: 'retry', reason: ending.reason, freshToken: false };
    case 'completed':
      return { kind: 'retry', reason: 'the service ended the feed', freshToken: false };
    default:
      return ending satisfies never;
  }
}

function judgeError({ message, extensions }: WireError): Verdict {
  const code = String(extensions?.code);
  switch (code) {
    case 'CURSOR_INVALID':
    case 'CURSOR_EXPIRED':
      return { kind: 'tell', error: new SnapshotNeeded(code, message) };
    case 'BAD_USER_INPUT':
    case 'GRAPHQL_PARSE_FAILED':
    case 'GRAPHQL_VALIDATION_FAILED':
      return { kind: 'tell', error: new RequestRefused(code, message) };
    default:
      return { kind: 'retry', reason: `${code}: ${message}`, freshToken: code === 'UNAUTHENTICATED' || code === 'FORBIDDEN' };
  }
}
