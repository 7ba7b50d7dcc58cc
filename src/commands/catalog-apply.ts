// `access-service catalog apply FILE`: reads a catalog (JSON or YAML), shows what it would alter, and alters it. Whatever
// takes permissions away is asked about first, unless --yes.
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { parse } from 'yaml';
import { z } from 'zod';
import { messageOf, StartError } from '../errors.ts';
import { confirmed, count, NOTHING_ALTERED } from './confirm.ts';
import { APPLY_CATALOG } from './documents.ts';
import { type Endpoint, graphqlRequest } from './graphql-request.ts';
import { endpointOf, type FindKey, type OperatorFlags, operatorCommand, whole } from './operator-command.ts';
import { previewShape, print, renderPreview } from './print.ts';

interface CatalogApplyFlags extends OperatorFlags {
  dryRun: boolean;
  prune: boolean;
  maxRevocations?: number;
  yes: boolean;
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
    preview: previewShape,
  }),
});

type Plan = z.infer<typeof planShape>['applyCatalog'];

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

const some = (list: readonly string[]): string =>
  list.length === 0 ? '' : `: ${list.slice(0, 10).join(', ')}${list.length > 10 ? ', …' : ''}`;

export function renderPlan(plan: Plan): string {
  return [
    plan.applied ? 'Applied' : 'Plan',
    `  roles     ${plan.rolesCreated.length} new${some(plan.rolesCreated)}`,
    `            ${plan.rolesChanged.length} changed${some(plan.rolesChanged)}`,
    `            ${plan.rolesRemoved.length} removed${some(plan.rolesRemoved)}`,
    `  mappings  ${plan.mappingsAdded} added, ${plan.mappingsRemoved} removed`,
    `  users     ${plan.affectedUsers} affected: ${plan.grantedPermissions} permissions granted, ${plan.revokedPermissions} revoked`,
    ...(plan.applied ? [] : renderPreview(plan.preview, plan.affectedUsers)),
  ].join('\n');
}

export function addCatalogCommands(program: Command, key: FindKey): void {
  const catalog = program.command('catalog').description('roles, and which groups give them');
  operatorCommand(catalog, {
    usage: 'apply',
    description: 'show what a catalog would alter in the running service, then alter it',
    examples: [
      'catalog apply catalog.yaml --dry-run',
      'catalog apply catalog.yaml --prune',
      'catalog apply catalog.yaml --yes --max-revocations 50',
    ],
  })
    .argument('<file>', 'JSON or YAML: { roles: [{ slug, permissions }], groupMappings: [{ organizationId, groupName | groupId, roles }] }')
    .option('--dry-run', 'only show the plan', false)
    .option('--prune', 'remove roles and mappings that the file does not name', false)
    .option('--max-revocations <accounts>', 'with --yes: how many may lose access (default: 5 % of the active ones, or 20)', whole)
    .option('--yes', 'do not ask before permissions are taken away; more than --max-revocations is refused all the same', false)
    .action((file: string, flags: CatalogApplyFlags) => applyCatalogFile(endpointOf(flags, key), file, flags));
}

async function applyCatalogFile(endpoint: Endpoint, file: string, flags: CatalogApplyFlags): Promise<void> {
  const { dryRun, prune, yes, json } = flags;
  const catalog = await readCatalog(file);
  const run = async (only: boolean, maxRevocations: number | null): Promise<Plan> =>
    (await graphqlRequest(endpoint, APPLY_CATALOG, { catalog, dryRun: only, prune, maxRevocations }, planShape)).applyCatalog;
  const plan = await run(true, null);
  if (dryRun || !json) print(plan, flags, () => renderPlan(plan));
  if (dryRun) return;
  if (plan.revokedPermissions === 0 || yes) return show(await run(false, flags.maxRevocations ?? null));
  if (!(await confirmed(`This takes ${count(plan.revokedPermissions, 'permission')} away from people.`)))
    throw new StartError(NOTHING_ALTERED);
  show(await run(false, plan.affectedUsers));

  function show(applied: Plan): void {
    print(applied, flags, () => renderPlan(applied));
  }
}
