// Where and as whom: the address of the service, and the token that goes along with each attempt.

export type Token = string | (() => string | Promise<string>);

/** `url` is the address of the service (https://access.internal) or of its GraphQL endpoint. */
export function endpointOf(url: string): { http: string; ws: string } {
  const http = new URL(url);
  if (http.pathname === '/') http.pathname = '/graphql';
  const ws = new URL(http);
  ws.protocol = http.protocol === 'https:' ? 'wss:' : 'ws:';
  return { http: http.href, ws: ws.href };
}

/** A function is asked anew each time, so that a token may expire. */
export const authorizationBy = async (token: Token): Promise<string> => `Bearer ${typeof token === 'function' ? await token() : token}`;
