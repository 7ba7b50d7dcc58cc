// GraphiQL's page: everything in one file from the package, nothing from another host, and a policy that would not let it.
import type { IncomingMessage, ServerResponse } from 'node:http';
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

const WELCOME = `# Put your key into the Headers tab below,
# then let the arrows on the left load the schema.
query Whoami {
  caller {
    name
    scopes
    organizationId
  }
}
`;

let html: Promise<string> | undefined;

/** A browser that opens /graphql, and not one that sends a query there. */
export const wantsPage = ({ method, url, headers }: IncomingMessage): boolean =>
  method === 'GET' &&
  (headers.accept?.includes('text/html') ?? false) &&
  !URL.parse(url ?? '', 'http://localhost')?.searchParams.has('query');

export async function sendPage(res: ServerResponse): Promise<void> {
  html ??= render();
  const page = await html;
  setSecurityHeaders(res, POLICY);
  res.setHeader('Content-Type', 'text/html; charset=utf-8');
  res.end(page);
}

async function render(): Promise<string> {
  // 50 MB of memory that a server which nobody opens in a browser does not need.
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql');
  return renderGraphiQL({
    title: 'Access service',
    endpoint: '/graphql',
    subscriptionsProtocol: 'SSE',
    defaultQuery: WELCOME,
    headers: '{ "Authorization": "Bearer " }',
    defaultEditorToolsVisibility: 'headers',
  });
}
