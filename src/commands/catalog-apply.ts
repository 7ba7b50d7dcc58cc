// `access-service catalog apply FILE`: reads a catalog (JSON or YAML), shows what it would alter, and alters it. Whatever
// takes permissions away is asked about first, unless --yes.
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import { messageOf, StartError } from '../errors.ts';
import { type Endpoint, graphqlRequest } from './graphql-request.ts';

export interface CatalogApplyOptions extends Endpoint {
  file: string;
  dryRun: boolean;
  prune: boolean;
  yes: boolean;
  json: boolean;
}

const roleShape = z.strictObject({
  slug: z.string(),
  name: z.string().nullish(),
  description: z.string().nullish(),
  organizationId: z.string().nullish(),
  permissions: z.array(z.string()),
});
const mappingShape = z.strictObject({
  organizationId: z.string(),
  groupId: z.string().nullish(),
  groupName: z.string().nullish(),
  roles: z.array(z.string()),
});
const catalogShape = z.strictObject({ roles: z.array(roleShape), groupMappings: z.array(mappingShape) });

const planShape = z.object({
  applyCatalog: z.object({
    applied: z.boolean(),
    rolesCreated: z.array(z.string()),
    rolesChanged: z.array(z.string()),
    rolesRemoved: z.array(z.string()),
    mappingsAdded: z.number(),
    mappingsRemoved: z.number(),
    affectedUsers: z.number(),
    grantedPermissions: z.number(),
    revokedPermissions: z.number(),
    preview: z.array(z.object({ userId: z.string(), grantedPermissions: z.array(z.string()), revokedPermissions: z.array(z.string()) })),
  }),
});

type Plan = z.infer<typeof planShape>['applyCatalog'];

const APPLY = `
  mutation CatalogApply($catalog: CatalogInput!, $dryRun: Boolean!, $prune: Boolean!) {
    applyCatalog(catalog: $catalog, dryRun: $dryRun, prune: $prune) {
      applied rolesCreated rolesChanged rolesRemoved mappingsAdded mappingsRemoved affectedUsers grantedPermissions revokedPermissions
      preview { userId grantedPermissions revokedPermissions }
    }
  }`;

/** YAML contains JSON, so one parser reads both. */
async function readCatalog(file: string): Promise<z.infer<typeof catalogShape>> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new StartError(`The catalog cannot be read: ${messageOf(error)}`);
  });
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    throw new StartError(`${file} is neither JSON nor YAML: ${messageOf(error)}`);
  }
  const catalog = catalogShape.safeParse(document);
  if (catalog.success) return catalog.data;
  const faults = catalog.error.issues.slice(0, 20).map((issue) => `  - ${issue.path.join('.') || 'the file'}: ${issue.message}`);
  throw new StartError(`${file} is not a catalog ({ roles: [...], groupMappings: [...] }):\n${faults.join('\n')}`);
}

const PREVIEWED = 20;
const some = (list: readonly string[]): string =>
  list.length === 0 ? '' : `: ${list.slice(0, 10).join(', ')}${list.length > 10 ? ', …' : ''}`;

export function renderPlan(plan: Plan): string {
  const users = plan.preview.slice(0, PREVIEWED).map(({ userId, grantedPermissions, revokedPermissions }) => {
    const marks = [
      ...grantedPermissions.map((permission) => `+${permission}`),
      ...revokedPermissions.map((permission) => `-${permission}`),
    ];
    return `    ${userId} ${marks.slice(0, 8).join(' ')}${marks.length > 8 ? ' …' : ''}`;
  });
  const more = plan.affectedUsers - users.length;
  return [
    plan.applied ? 'Applied' : 'Plan',
    `  roles     ${plan.rolesCreated.length} new${some(plan.rolesCreated)}`,
    `            ${plan.rolesChanged.length} changed${some(plan.rolesChanged)}`,
    `            ${plan.rolesRemoved.length} removed${some(plan.rolesRemoved)}`,
    `  mappings  ${plan.mappingsAdded} added, ${plan.mappingsRemoved} removed`,
    `  users     ${plan.affectedUsers} affected: ${plan.grantedPermissions} permissions granted, ${plan.revokedPermissions} revoked`,
    ...(plan.applied ? [] : users),
    ...(!plan.applied && more > 0 ? [`    and ${more} more`] : []),
  ].join('\n');
}

async function confirmed(plan: Plan): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new StartError(`This takes ${plan.revokedPermissions} permissions away. Give --yes to do it without being asked.`);
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(`This takes ${plan.revokedPermissions} permissions away from people. Type "revoke" to go on: `);
  terminal.close();
  return answer.trim() === 'revoke';
}

export async function applyCatalogFile({ file, dryRun, prune, yes, json, ...endpoint }: CatalogApplyOptions): Promise<void> {
  const catalog = await readCatalog(file);
  const run = async (only: boolean): Promise<Plan> =>
    (await graphqlRequest(endpoint, APPLY, { catalog, dryRun: only, prune }, planShape)).applyCatalog;
  const print = (plan: Plan): void => void process.stdout.write(json ? `${JSON.stringify(plan)}\n` : `${renderPlan(plan)}\n`);
  const plan = await run(true);
  if (dryRun || !json) print(plan);
  if (dryRun) return;
  if (plan.revokedPermissions > 0 && !yes && !(await confirmed(plan))) throw new StartError('Nothing was altered.');
  print(await run(false));
}
