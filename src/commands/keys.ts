// `access-service keys create|list|revoke`: the keys of a running service. A new key goes alone to stdout, so that a script
// can take it from there; what is said about it goes to stderr.
import { z } from 'zod';
import { SCOPES, type Scope, scopeNamed } from '../auth/caller.ts';
import { StartError } from '../errors.ts';
import { type Endpoint, graphqlRequest } from './graphql-request.ts';

export interface KeysOptions extends Endpoint {
  json: boolean;
}

export interface CreateKeyFlags {
  name: string;
  scope: readonly string[];
  organization?: string;
  expires?: string;
}

const keyShape = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
  organizationId: z.string().nullable(),
  createdAt: z.string(),
  expiresAt: z.string().nullable(),
  lastUsedAt: z.string().nullable(),
  revokedAt: z.string().nullable(),
});
type Key = z.infer<typeof keyShape>;

const FIELDS = 'id name scopes organizationId createdAt expiresAt lastUsedAt revokedAt';
const CREATE = `
  mutation KeysCreate($name: String!, $scopes: [Scope!]!, $organizationId: ID, $expiresAt: DateTime) {
    createApiKey(name: $name, scopes: $scopes, organizationId: $organizationId, expiresAt: $expiresAt) { secret apiKey { ${FIELDS} } }
  }`;
const LIST = `query KeysList { apiKeys { ${FIELDS} } }`;
const REVOKE = `mutation KeysRevoke($id: ID!) { revokeApiKey(id: $id) { ${FIELDS} } }`;

const MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** 30m, 12h, 90d, or a point in time in ISO 8601 with its zone. */
export function readExpiry(text: string, now: Date): string {
  const [, count, unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const at =
    count === undefined
      ? new Date(/(Z|[+-]\d\d:\d\d)$/.test(text) ? text : Number.NaN)
      : new Date(now.getTime() + Number(count) * (MS[unit] ?? 0));
  if (Number.isNaN(at.getTime())) throw new StartError('--expires takes 30m, 12h, 90d, or a time such as 2027-01-31T09:00:00Z.');
  return at.toISOString();
}

function readScopes(names: readonly string[]): Scope[] {
  return names
    .flatMap((name) => name.split(','))
    .map((name) => {
      const scope = scopeNamed(name.trim());
      if (!scope) throw new StartError(`There is no scope "${name}". There are ${SCOPES.join(', ')}.`);
      return scope;
    });
}

export async function createKey({ json, ...endpoint }: KeysOptions, flags: CreateKeyFlags): Promise<void> {
  const variables = {
    name: flags.name,
    scopes: readScopes(flags.scope),
    organizationId: flags.organization ?? null,
    expiresAt: flags.expires === undefined ? null : readExpiry(flags.expires, new Date()),
  };
  const shape = z.object({ createApiKey: z.object({ secret: z.string(), apiKey: keyShape }) });
  const { createApiKey: created } = await graphqlRequest(endpoint, CREATE, variables, shape);
  if (json) return void process.stdout.write(`${JSON.stringify(created)}\n`);
  process.stderr.write(`${describe(created.apiKey)}\nThe key is shown this once:\n`);
  process.stdout.write(`${created.secret}\n`);
}

export async function listKeys({ json, ...endpoint }: KeysOptions): Promise<void> {
  const { apiKeys } = await graphqlRequest(endpoint, LIST, {}, z.object({ apiKeys: z.array(keyShape) }));
  const lines = apiKeys.length === 0 ? ['There are no keys yet.'] : apiKeys.map(describe);
  process.stdout.write(json ? `${JSON.stringify(apiKeys)}\n` : `${lines.join('\n')}\n`);
}

export async function revokeKey({ json, ...endpoint }: KeysOptions, id: string): Promise<void> {
  // Whoever pastes the whole key means its id, and the rest of it need not travel.
  const [named = id] = /^ak_[0-9A-Za-z]+/.exec(id) ?? [];
  const { revokeApiKey } = await graphqlRequest(endpoint, REVOKE, { id: named }, z.object({ revokeApiKey: keyShape }));
  process.stdout.write(json ? `${JSON.stringify(revokeApiKey)}\n` : `${describe(revokeApiKey)}\n`);
}

function describe({ id, name, scopes, organizationId, expiresAt, lastUsedAt, revokedAt }: Key): string {
  const state = revokedAt
    ? `revoked ${revokedAt}`
    : expiresAt
      ? `${Date.parse(expiresAt) > Date.now() ? 'until' : 'expired'} ${expiresAt}`
      : 'no end';
  return `${id}  ${name}  ${organizationId ?? 'every organization'}  ${scopes.join(',')}  ${state}  ${lastUsedAt ? `last used ${lastUsedAt}` : 'never used'}`;
}
