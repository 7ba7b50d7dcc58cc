// Answers as values, and WorkOS' error bodies (OpenAPI description: `{ message }`, with `errors: [{ code, field }]` on 422).

export interface Reply {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
}

export interface Page<T = unknown> {
  object: 'list';
  data: T[];
  list_metadata: { before: string | null; after: string | null };
}

export const ok = (body: unknown): Reply => ({ status: 200, body });

export const list = <T>(data: T[], before: string | null, after: string | null): Reply =>
  ok({ object: 'list', data, list_metadata: { before, after } });

export const invalid = (field: string, code: string): Reply => ({
  status: 422,
  body: { message: 'Validation failed.', errors: [{ code, field }] },
});

export const badRequest = (message: string): Reply => ({ status: 400, body: { message, code: 'bad_request' } });

export const unauthorized: Reply = { status: 401, body: { message: 'Unauthorized' } };

export const notFound = (what: string, id: string): Reply => ({
  status: 404,
  body: { message: `${what} not found: '${id}'.`, code: 'entity_not_found', entity_id: id },
});

/** `limit` as WorkOS takes it: 1 to 100, 10 when absent; undefined when it is out of range. */
export function readLimit(query: URLSearchParams): number | undefined {
  const text = query.get('limit');
  if (text === null) return 10;
  const limit = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  return limit >= 1 && limit <= 100 ? limit : undefined;
}
