// GraphiQL's page: everything in one file from the package, nothing from another host, and a policy that would not let it.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { renderGraphiQL } from '@graphql-yoga/render-graphiql';
import { setSecurityHeaders } from './respond.ts';

const POLICY = [
  "default-src 'none'",
  "script-src 'unsafe-inline' blob:",
  "style-src 'unsafe-inline'",
  'worker-src blob:',
  'img-src data: blob:',
  'font-src data:',
  "connect-src 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

const WELCOME = `# Put your key into the Headers tab below: { "Authorization": "Bearer <key>" }
query Whoami {
  caller {
    name
    scopes
    organizationId
  }
}
`;

let html: string | undefined;

/** A browser that opens /graphql, and not one that sends a query there. */
export const wantsPage = (req: IncomingMessage, url: URL): boolean =>
  req.method === 'GET' && !url.searchParams.has('query') && (req.headers.accept?.includes('text/html') ?? false);

export function sendPage(res: ServerResponse): void {
  html ??= renderGraphiQL({
    title: 'Access service',
    endpoint: '/graphql',
    subscriptionsProtocol: 'SSE',
    defaultQuery: WELCOME,
    headers: '{ "Authorization": "Bearer " }',
    defaultEditorToolsVisibility: 'headers',
  });
  setSecurityHeaders(res, POLICY);
  res.setHeader('Content-Type', 'text/html; charset=utf-8');
  res.end(html);
}
