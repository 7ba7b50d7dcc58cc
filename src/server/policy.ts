import type { Policy } from '../config.ts';

/** Of a server that nobody configured: a development machine's. */
export const DEFAULT_POLICY: Policy = {
  introspection: true,
  persistedOnly: false,
  allowedOrigins: [],
  trustedProxies: [],
  webhookAddresses: [],
};
