// The `fetch` that the SDK is given for one call. It adds what the SDK lacks: the caller's AbortSignal, a bound on the size
// of an answer, the response's headers. The body is read here, inside the SDK's deadline and its retries, so that an answer
// that stalls or breaks off half-way is tried again too (the SDK itself retries only up to the headers); so is one with bytes
// that are not UTF-8, until the last try, which takes it as it is and says so.
import { isUtf8 } from 'node:buffer';
import { kindOfStatus, parseRetryAfter, WorkosError } from './workos-error.ts';

/** What the last response of a call said, whatever the SDK makes of it. */
export interface LastResponse {
  status: number;
  date: Date | null;
  retryAfterMs: number | undefined;
  /** Bytes that are not UTF-8 stand as U+FFFD in the text. */
  mangled: boolean;
  /** Beginning of the body of a refusal (4xx). */
  refusal: string;
}

export interface BoundedFetch {
  fetch: typeof fetch;
  /** undefined: no complete response to the last try. */
  last(): LastResponse | undefined;
}

// The SDK's sleep cannot be interrupted: longer waits are the caller's, who has a signal.
const MAX_WAIT_INSIDE_MS = 2_000;
const MAX_REFUSAL_CHARS = 2_000;
const BODILESS: readonly number[] = [204, 205, 304];

export function createBoundedFetch(options: { signal: AbortSignal; maxBytes: number; tries: number }): BoundedFetch {
  let last: LastResponse | undefined;
  let tries = 0;
  return {
    last: () => last,
    async fetch(input, init) {
      last = undefined;
      tries += 1;
      const response = await fetch(input, {
        ...init,
        signal: init?.signal ? AbortSignal.any([init.signal, options.signal]) : options.signal,
      });
      const body = await readBody(response, options.maxBytes);
      const mangled = !isUtf8(body);
      // The SDK takes a TypeError for a failure of the network, and tries again.
      if (mangled && tries < options.tries) throw new TypeError('the answer is not UTF-8');
      const { status, statusText, headers } = response;
      const date = headers.get('date');
      last = {
        status,
        date: date && !Number.isNaN(Date.parse(date)) ? new Date(date) : null,
        retryAfterMs: parseRetryAfter(headers.get('retry-after'), date, Date.now()),
        mangled,
        refusal: status >= 400 && status < 500 ? body.toString().slice(0, MAX_REFUSAL_CHARS) : '',
      };
      if (status >= 400 && (last.retryAfterMs ?? 0) > MAX_WAIT_INSIDE_MS) {
        throw new WorkosError(kindOfStatus(status), `WorkOS answered ${status} and asks to wait.`, last.retryAfterMs);
      }
      return new Response(BODILESS.includes(status) ? null : body, { status, statusText, headers });
    },
  };
}

async function readBody(response: Response, maxBytes: number): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw new WorkosError('too_large', `WorkOS answered with more than ${maxBytes} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}
