// `access-service events list|show|retry|skip`: the inbox, and what to do with an event that could not be applied.
import type { Command } from 'commander';
import { z } from 'zod';
import { StartError } from '../errors.ts';
import { DIRECTORY_EVENT, DIRECTORY_EVENTS, RETRY_EVENTS, SKIP_EVENT } from './documents.ts';
import { graphqlRequest } from './graphql-request.ts';
import { endpointOf, type FindKey, moment, type OperatorFlags, operatorCommand, several, whole } from './operator-command.ts';
import { print } from './print.ts';

interface ListFlags extends OperatorFlags {
  status?: string[];
  type?: string[];
  organization?: string;
  directory?: string;
  user?: string;
  group?: string;
  from?: string;
  to?: string;
  first: number;
  after?: string;
}

const eventShape = z.object({
  id: z.string(),
  type: z.string(),
  organizationId: z.string().nullable(),
  directoryId: z.string().nullable(),
  status: z.string(),
  channel: z.string(),
  attempts: z.number(),
  error: z.string().nullable(),
  occurredAt: z.string(),
  receivedAt: z.string(),
  appliedAt: z.string().nullable(),
});
type Event = z.infer<typeof eventShape>;

const render = ({ id, type, status, attempts, occurredAt, error }: Event): string =>
  `${id}  ${occurredAt}  ${type}  ${status}${attempts > 0 ? ` after ${attempts} attempts` : ''}${error ? `  ${error}` : ''}`;
const renderAll = (events: readonly Event[]): string => events.map(render).join('\n');

export function addEventsCommands(program: Command, key: FindKey): void {
  const events = program.command('events').description('what has arrived from WorkOS, and what became of it');

  operatorCommand(events, {
    usage: 'list',
    description: 'list events, oldest first',
    examples: ['events list --status QUARANTINED', 'events list --user directory_user_… --from 2026-11-01T00:00:00Z --json'],
  })
    .option('--status <status...>', 'PENDING, APPLIED, STALE, IGNORED, QUARANTINED, SKIPPED', several)
    .option('--type <type...>', 'such as dsync.user.updated', several)
    .option('--organization <id>')
    .option('--directory <id>')
    .option('--user <id>')
    .option('--group <id>')
    .option('--from <moment>', 'that happened at or after', moment)
    .option('--to <moment>', 'that happened before', moment)
    .option('--first <number>', 'at most so many', whole, 50)
    .option('--after <cursor>', 'the page after this')
    .action(async (flags: ListFlags) => {
      const pageInfo = z.object({ hasNextPage: z.boolean(), endCursor: z.string().nullable() });
      const shape = z.object({ directoryEvents: z.object({ totalCount: z.number(), nodes: z.array(eventShape), pageInfo }) });
      const { directoryEvents: page } = await graphqlRequest(endpointOf(flags, key), DIRECTORY_EVENTS, variablesOf(flags), shape);
      const more = page.pageInfo.hasNextPage ? `\n… of ${page.totalCount}; go on with --after ${page.pageInfo.endCursor}` : '';
      print(page, flags, () => (page.nodes.length === 0 ? 'There are no such events.' : `${renderAll(page.nodes)}${more}`));
    });

  operatorCommand(events, {
    usage: 'show <id>',
    description: 'show one event, as it arrived and what it changed (this prints personal data)',
    examples: ['events show event_01…'],
  }).action(async (id: string, flags: OperatorFlags) => {
    const shown = eventShape.extend({ payload: z.unknown(), changes: z.array(z.unknown()) });
    const shape = z.object({ directoryEvent: shown.nullable() });
    const { directoryEvent: event } = await graphqlRequest(endpointOf(flags, key), DIRECTORY_EVENT, { id }, shape);
    if (!event) throw new StartError(`There is no event ${id}.`);
    const changes = event.changes.map((change) => `  ${JSON.stringify(change)}`);
    print(event, flags, () => [render(event), JSON.stringify(event.payload, null, 2), ...changes].join('\n'));
  });

  operatorCommand(events, {
    usage: 'retry <id...>',
    description: 'send quarantined events through once more, after what kept them out is mended; all or none',
    examples: ['events retry event_01… event_02…'],
  }).action(async (eventIds: string[], flags: OperatorFlags) => {
    const shape = z.object({ retryEvents: z.array(eventShape) });
    const { retryEvents } = await graphqlRequest(endpointOf(flags, key), RETRY_EVENTS, { eventIds }, shape);
    print(retryEvents, flags, () => renderAll(retryEvents));
  });

  operatorCommand(events, {
    usage: 'skip <id>',
    description: 'take an event out of the way for good',
    examples: ['events skip event_01… --reason "sent by mistake, ticket 4711"'],
  })
    .requiredOption('--reason <text>', 'kept with the event')
    .action(async (eventId: string, flags: OperatorFlags & { reason: string }) => {
      const shape = z.object({ skipEvent: eventShape });
      const { skipEvent } = await graphqlRequest(endpointOf(flags, key), SKIP_EVENT, { eventId, reason: flags.reason }, shape);
      print(skipEvent, flags, () => render(skipEvent));
    });
}

const variablesOf = (flags: ListFlags): Record<string, unknown> => ({
  organizationId: flags.organization ?? null,
  directoryId: flags.directory ?? null,
  userId: flags.user ?? null,
  groupId: flags.group ?? null,
  types: flags.type ?? null,
  statuses: flags.status ?? null,
  from: flags.from ?? null,
  to: flags.to ?? null,
  first: flags.first,
  after: flags.after ?? null,
});
