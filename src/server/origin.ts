// Browsers say where a page comes from, and let any page open a WebSocket anywhere. Whoever sends no Origin is no browser.
import type { IncomingMessage } from 'node:http';
import { AccessError } from '../errors.ts';

/** Throws FORBIDDEN for a page of another origin than the service's own and those allowed. */
export function checkOrigin({ headers: { origin, host } }: IncomingMessage, allowed: readonly string[]): void {
  if (origin === undefined || allowed.includes(origin)) return;
  const url = URL.parse(origin);
  if (url && host !== undefined && url.host === host) return;
  throw new AccessError('FORBIDDEN', 'Pages of this origin may not ask here. ALLOWED_ORIGINS names those that may.');
}
