// What a consumer must deal with itself. Everything else is retried.

/** The feed cannot go on from this cursor: the log is another one, or does not reach back that far. Take a snapshot, follow from its asOf. */
export class SnapshotNeeded extends Error {
  override readonly name = 'SnapshotNeeded';
  readonly code: 'CURSOR_INVALID' | 'CURSOR_EXPIRED';

  constructor(code: 'CURSOR_INVALID' | 'CURSOR_EXPIRED', message: string) {
    super(message);
    this.code = code;
  }
}

/** The request itself is wrong, for instance its filter: sending it again cannot help. */
export class RequestRefused extends Error {
  override readonly name = 'RequestRefused';
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}
