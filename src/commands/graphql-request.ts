// One GraphQL request to a running service, for commands that an operator runs from anywhere.
import { z } from 'zod';
import { AccessError, messageOf, StartError } from '../errors.ts';

export interface Endpoint {
  /** Of the service, without /graphql. */
  url: string;
  key: string;
}

const answerShape = z.object({
  data: z.unknown().optional(),
  errors: z.array(z.object({ message: z.string(), extensions: z.looseObject({ code: z.string() }).optional() })).optional(),
});

/** Throws an AccessError with the service's own code, or a StartError when there is no service to talk to. */
export async function graphqlRequest<T>(
  { url, key }: Endpoint,
  query: string,
  variables: Record<string, unknown>,
  shape: z.ZodType<T>,
): Promise<T> {
  const response = await fetch(new URL('/graphql', url), {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ query, variables }),
  }).catch((error: unknown) => {
    throw new StartError(
      `There is no answer from ${url}: ${messageOf(error instanceof Error && error.cause ? error.cause : error)}. Is the service running? Name it with --url.`,
    );
  });
  const answer = answerShape.safeParse(await response.json().catch(() => undefined));
  if (!answer.success)
    throw new StartError(`${url} answered ${response.status} with something that is not GraphQL. Is this the service? Name it with --url.`);
  const [first] = answer.data.errors ?? [];
  if (first) throw new AccessError('INTERNAL', `${first.extensions?.code ?? 'ERROR'}: ${first.message}`);
  return shape.parse(answer.data.data);
}
