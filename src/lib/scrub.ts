// Pure: texts and errors as they may be shown in a log. Errors of a database, a client or a parser quote what they were given,
// so quoted parts, e-mail addresses and credentials in URLs go; what kind of error it is, and where, stays.

const EMAIL = /[^\s@"'<>(){}[\],;:=]+@[^\s@"'<>(){}[\],;:=]+\.[a-z]{2,}/gi;
const CREDENTIALS = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/?#"']*@/gi;
const BEARER = /\b(Bearer|Basic)\s+[^\s"',]+/gi;
const MAX_LENGTH = 2_000;

export const scrubText = (text: string): string =>
  text.slice(0, MAX_LENGTH).replace(CREDENTIALS, '$1[redacted]@').replace(BEARER, '$1 [redacted]').replace(EMAIL, '[redacted]');

// "…", `…` may span lines; '…' does not, for an apostrophe is none. Detail of a constraint: Key (column)=(value).
const QUOTED = /"(?:[^"\\]|\\.)*"|'(?:[^'\\\n]|\\.)*'|=\([^)]*\)/g;

const MAX_CAUSES = 5;

export interface ScrubbedError {
  type: string;
  message: string;
  code?: string;
  /** Where, without the message that usually begins it. */
  stack?: string;
  cause?: ScrubbedError;
}

export function scrubError(error: unknown, depth = 0): ScrubbedError {
  if (!(error instanceof Error)) return { type: typeof error, message: typeof error === 'string' ? scrubText(error) : 'no error' };
  const code: unknown = Reflect.get(error, 'code');
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return {
    type: error.name,
    message: scrubText(error.message.replace(QUOTED, '[redacted]')),
    ...((typeof code === 'string' || typeof code === 'number') && { code: String(code) }),
    ...(frames.length > 0 && { stack: frames.slice(0, 20).join('\n') }),
    ...(error.cause !== undefined && depth < MAX_CAUSES && { cause: scrubError(error.cause, depth + 1) }),
  };
}
