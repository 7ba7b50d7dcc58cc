// Plain answers, and the headers that every answer carries.
import type { ServerResponse } from 'node:http';
import { AccessError, type ErrorCode } from '../errors.ts';

const HEADERS = {
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store',
};

/** Names and values in turn, as `writeHead` takes them fastest. */
export const SECURITY_HEADERS: readonly string[] = Object.entries(HEADERS).flat();

/** `policy`: of a page, which needs more than nothing. */
export function setSecurityHeaders(res: ServerResponse, policy?: string): void {
  for (const [name, value] of Object.entries(HEADERS)) res.setHeader(name, value);
  if (policy !== undefined) res.setHeader('Content-Security-Policy', policy);
}

export function respondJson(res: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  res.statusCode = status;
  setSecurityHeaders(res);
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
  res.setHeader('Content-Type', 'application/json; charset=utf-8');
  res.end(JSON.stringify(body));
}

/** A refusal in the form of a GraphQL response. The body of the request was not read, so the connection cannot serve another. */
export function respondUnauthenticated(res: ServerResponse): void {
  respondRefusal(res, new AccessError('UNAUTHENTICATED', 'Send a valid key: `Authorization: Bearer <key>`.'));
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  RATE_LIMITED: 429,
  INTERNAL: 500,
  UNAVAILABLE: 503,
};

export const statusOf = (code: ErrorCode): number => STATUS[code] ?? 400;

/** The same of any request that was refused before GraphQL saw it. */
export function respondRefusal(res: ServerResponse, { code, message, details }: AccessError, status = statusOf(code)): void {
  respondJson(
    res,
    status,
    { errors: [{ message, extensions: { ...details, code } }] },
    { ...refusalHeaders(code, details), Connection: 'close' },
  );
}

export const refusalHeaders = (code: ErrorCode, details: AccessError['details']): Record<string, string> => ({
  ...(code === 'UNAUTHENTICATED' && { 'WWW-Authenticate': 'Bearer' }),
  ...(typeof details.retryAfterSeconds === 'number' && { 'Retry-After': String(details.retryAfterSeconds) }),
});
