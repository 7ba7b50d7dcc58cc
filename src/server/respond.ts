// Plain answers, and the headers that every answer carries.
import type { ServerResponse } from 'node:http';

const API_POLICY = "default-src 'none'; frame-ancestors 'none'";

export function setSecurityHeaders(res: ServerResponse, policy = API_POLICY): void {
  res.setHeader('Content-Security-Policy', policy);
  res.setHeader('X-Content-Type-Options', 'nosniff');
  res.setHeader('X-Frame-Options', 'DENY');
  res.setHeader('Referrer-Policy', 'no-referrer');
  res.setHeader('Cache-Control', 'no-store');
}

export function respondJson(res: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  res.statusCode = status;
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
  res.setHeader('Content-Type', 'application/json; charset=utf-8');
  res.end(JSON.stringify(body));
}

/** A refusal in the form of a GraphQL response. The body of the request was not read, so the connection cannot serve another. */
export function respondUnauthenticated(res: ServerResponse): void {
  const error = { message: 'Send a valid key: `Authorization: Bearer <key>`.', extensions: { code: 'UNAUTHENTICATED' } };
  respondJson(res, 401, { errors: [error] }, { 'WWW-Authenticate': 'Bearer', Connection: 'close' });
}
