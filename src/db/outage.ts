// Whether a failed statement says something about the database (away, overloaded, too slow), or about who asks, rather than
// about itself: then the same statement may succeed later.
import { LeaseLostError } from './lease.ts';
import { sqlStateOf } from './transaction.ts';

/** First characters of the SQLSTATE. Source: Postgres manual, appendix A. */
const STATES = [
  '08', // connection exception
  '25P0', // idle in transaction timeout
  '53', // insufficient resources: disk full, out of memory, too many connections
  '57', // operator intervention: shutdown, past statement_timeout
  '58', // system error
];

/** What the client calls a failure without SQLSTATE, as `code` or, for raw SQL, as `kind` of the adapter's error. */
const NAMES =
  /^(P1\d{3}|P2024|P2028|ECONN\w+|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND|EAI_AGAIN|DatabaseNotReachable|ConnectionClosed|SocketTimeout|TlsConnectionError|TooManyConnections)$/;
const MESSAGES = /connection (terminated|refused|timeout)|timeout exceeded when trying to connect|query read timeout/i;

export function isOutage(error: unknown): boolean {
  if (error instanceof LeaseLostError) return true;
  const state = sqlStateOf(error);
  if (state && STATES.some((prefix) => state.startsWith(prefix))) return true;
  for (let layer: unknown = error; layer instanceof Object; layer = inner(layer)) {
    const { code, kind, message } = layer as { code?: unknown; kind?: unknown; message?: unknown };
    if (NAMES.test(String(code)) || NAMES.test(String(kind)) || MESSAGES.test(String(message))) return true;
  }
  return false;
}

function inner(layer: object): unknown {
  const { cause, meta } = layer as { cause?: unknown; meta?: { driverAdapterError?: unknown } };
  return cause ?? meta?.driverAdapterError;
}
