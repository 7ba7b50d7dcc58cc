// `access-service keys create|list|revoke`: the keys of a running service. A new key goes alone to stdout, so that a script
// can take it from there; what is said about it goes to stderr.
import type { Command } from 'commander';
import { z } from 'zod';
import { SCOPES, type Scope, scopeNamed } from '../auth/caller.ts';
import { StartError } from '../errors.ts';
import { API_KEYS, CREATE_API_KEY, REVOKE_API_KEY } from './documents.ts';
import { type Endpoint, graphqlRequest } from './graphql-request.ts';
import { endpointOf, type FindKey, type OperatorFlags, operatorCommand } from './operator-command.ts';
import { print } from './print.ts';

interface CreateKeyFlags extends OperatorFlags {
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

export function addKeysCommands(program: Command, key: FindKey): void {
  const keys = program.command('keys').description('API keys: who may ask the running service, and for what');

  operatorCommand(keys, {
    usage: 'create',
    description: 'make a key; it is printed this once',
    examples: ['keys create --name billing --scope entitlements:read --organization org_… --expires 90d'],
  })
    .requiredOption('--name <name>', 'who uses it')
    .requiredOption('--scope <scope...>', `what it may do, one or several of ${SCOPES.join(', ')}`)
    .option('--organization <id>', 'bind it to one organization (default: that of the asking key, or every one)')
    .option('--expires <when>', '30m, 12h, 90d, or a time such as 2027-01-31T09:00:00Z (default: never)')
    .action((flags: CreateKeyFlags) => createKey(endpointOf(flags, key), flags));

  operatorCommand(keys, {
    usage: 'list',
    description: 'show all keys, without their secrets',
    examples: ['keys list --json'],
  }).action((flags: OperatorFlags) => listKeys(endpointOf(flags, key), flags));

  operatorCommand(keys, {
    usage: 'revoke <id>',
    description: 'end a key, and what it has open; the id is `ak_…`, what the key begins with',
    examples: ['keys revoke ak_4fT0sB2yQx7LmNd'],
  }).action((id: string, flags: OperatorFlags) => revokeKey(endpointOf(flags, key), id, flags));
}

async function createKey(endpoint: Endpoint, flags: CreateKeyFlags): Promise<void> {
  const variables = {
    name: flags.name,
    scopes: readScopes(flags.scope),
    organizationId: flags.organization ?? null,
    expiresAt: flags.expires === undefined ? null : readExpiry(flags.expires, new Date()),
  };
  const shape = z.object({ createApiKey: z.object({ secret: z.string(), apiKey: keyShape }) });
  const { createApiKey: created } = await graphqlRequest(endpoint, CREATE_API_KEY, variables, shape);
  if (flags.json) return print(created, flags, () => '');
  process.stderr.write(`${describe(created.apiKey)}\nThe key is shown this once:\n`);
  process.stdout.write(`${created.secret}\n`);
}

async function listKeys(endpoint: Endpoint, flags: OperatorFlags): Promise<void> {
  const { apiKeys } = await graphqlRequest(endpoint, API_KEYS, {}, z.object({ apiKeys: z.array(keyShape) }));
  const lines = apiKeys.length === 0 ? ['There are no keys yet.'] : apiKeys.map(describe);
  print(apiKeys, flags, () => lines.join('\n'));
}

async function revokeKey(endpoint: Endpoint, id: string, flags: OperatorFlags): Promise<void> {
  // Whoever pastes the whole key means its id, and the rest of it need not travel.
  const [named = id] = /^ak_[0-9A-Za-z]+/.exec(id) ?? [];
  const { revokeApiKey } = await graphqlRequest(endpoint, REVOKE_API_KEY, { id: named }, z.object({ revokeApiKey: keyShape }));
  print(revokeApiKey, flags, () => describe(revokeApiKey));
}

function describe({ id, name, scopes, organizationId, expiresAt, lastUsedAt, revokedAt }: Key): string {
  const state = revokedAt
    ? `revoked ${revokedAt}`
    : expiresAt
      ? `${Date.parse(expiresAt) > Date.now() ? 'until' : 'expired'} ${expiresAt}`
      : 'no end';
  return `${id}  ${name}  ${organizationId ?? 'every organization'}  ${scopes.join(',')}  ${state}  ${lastUsedAt ? `last used ${lastUsedAt}` : 'never used'}`;
}
