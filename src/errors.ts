// The one error class that crosses module borders. `code` is stable and part of the API (contract.graphql); `message` is
// safe to show to the caller and says what is wrong, where, and what to do; what went wrong inside stays in `cause` and
// goes to the log only. schema/errors.ts maps it to GraphQL, src/cli.ts to an exit code.

export type ErrorCode =
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'BAD_USER_INPUT'
  | 'NOT_FOUND'
  | 'CONFLICT'
  | 'CONFIRMATION_REQUIRED'
  | 'RATE_LIMITED'
  | 'CURSOR_INVALID'
  | 'CURSOR_EXPIRED'
  | 'STALE'
  | 'UNAVAILABLE'
  | 'INTERNAL';

export class AccessError extends Error {
  override readonly name = 'AccessError';
  readonly code: ErrorCode;
  /** Further fields for `extensions`, safe to show. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; details?: Record<string, unknown> } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** A setting, file or environment that stops the start. The message lists every fault found. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
