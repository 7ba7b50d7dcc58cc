// Plain answers, and the headers that every answer carries.
import type { ServerResponse } from 'node:http';
import { AccessError, type ErrorCode } from '../errors.ts';

const API_POLICY = "default-src 'none'; frame-ancestors 'none'";

export function setSecurityHeaders(res: ServerResponse, policy = API_POLICY): void {
  res.setHeader('Content-Security-Policy', policy);
  res.setHeader('X-Content-Type-Options', 'nosniff');
  res.setHeader('X-Frame-Options', 'DENY');
  res.setHeader('Referrer-Policy', 'no-referrer');
  res.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
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
