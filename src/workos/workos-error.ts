// What can go wrong between us and the WorkOS API, as a closed list. Messages are safe to log and to show to operators: no
// key, no payload. The SDK's own errors never go further (one of them carries the whole response body).

export type WorkosErrorKind =
  /** 429: wait `retryAfterMs`, or back off. */
  | 'rate_limited'
  /** No connection, no answer in time, 408 or 5xx: try again. */
  | 'unavailable'
  /** 401 or 403: nothing helps but another key. */
  | 'unauthorized'
  | 'not_found'
  /** The `after` of an events request was not accepted. */
  | 'cursor_refused'
  /** Any other 4xx: the request itself is wrong in the server's eyes. */
  | 'refused'
  /** The answer is longer than we are willing to hold: ask for a smaller page. */
  | 'too_large'
  /** Truncated JSON, HTML, or JSON of another shape. */
  | 'bad_response';

export class WorkosError extends Error {
  override readonly name = 'WorkosError';
  readonly kind: WorkosErrorKind;
  /** How long the server asked us to stay away. */
  readonly retryAfterMs: number | undefined;

  constructor(kind: WorkosErrorKind, message: string, retryAfterMs?: number) {
    super(message);
    this.kind = kind;
    this.retryAfterMs = retryAfterMs;
  }
}

export function kindOfStatus(status: number): WorkosErrorKind {
  if (status === 429) return 'rate_limited';
  if (status === 408 || status >= 500) return 'unavailable';
  if (status === 401 || status === 403) return 'unauthorized';
  if (status === 404) return 'not_found';
  return status >= 400 ? 'refused' : 'bad_response';
}

const MAX_RETRY_AFTER_MS = 300_000;

/** Seconds or an HTTP date; a date counts from the server's own clock (`date`, its Date header) where there is one. */
export function parseRetryAfter(header: string | null, date: string | null, now: number): number | undefined {
  const text = header?.trim() ?? '';
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1_000, MAX_RETRY_AFTER_MS);
  const at = Date.parse(text);
  if (Number.isNaN(at)) return undefined;
  const sentAt = Date.parse(date ?? '');
  return Math.min(Math.max(0, at - (Number.isNaN(sentAt) ? now : sentAt)), MAX_RETRY_AFTER_MS);
}
