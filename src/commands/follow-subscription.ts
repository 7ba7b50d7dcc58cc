// One subscription to a running service over WebSocket; a lost connection is made again a few times by the client.
import { createClient } from 'graphql-ws';
import type { z } from 'zod';
import { AccessError, StartError } from '../errors.ts';
import type { Endpoint } from './graphql-request.ts';

const RETRIES = 5;

/** Ends with the subscription, or when the signal aborts. Throws like graphqlRequest. */
export async function* followSubscription<T>(
  { url, key }: Endpoint,
  query: string,
  variables: Record<string, unknown>,
  shape: z.ZodType<T>,
  signal: AbortSignal,
): AsyncGenerator<T> {
  const client = createClient({
    url: new URL('/graphql', url).href.replace(/^http/, 'ws'),
    connectionParams: { authorization: `Bearer ${key}` },
    retryAttempts: RETRIES,
    shouldRetry: () => true,
  });
  const results = client.iterate({ query, variables });
  const leave = (): void => void results.return?.();
  signal.addEventListener('abort', leave, { once: true });
  try {
    for await (const { data, errors } of results) {
      if (errors?.[0]) throw refusalOf(errors[0]);
      yield shape.parse(data);
    }
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof AccessError) throw error;
    if (Array.isArray(error) && error[0]) throw refusalOf(error[0]);
    throw new StartError(`The connection to ${url} is lost. Is the service running, and the key right?`);
  } finally {
    signal.removeEventListener('abort', leave);
    await client.dispose();
  }
}

const refusalOf = ({ message, extensions }: { message: string; extensions?: Record<string, unknown> | undefined }): AccessError =>
  new AccessError('INTERNAL', `${String(extensions?.code ?? 'ERROR')}: ${message}`);
