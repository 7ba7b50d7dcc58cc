// `access-service health`: is access in step with the directory? The exit code says it: 0 HEALTHY, 1 DEGRADED, 2 FAILING. A
// service that does not answer is FAILING too.
import type { Command } from 'commander';
import { z } from 'zod';
import { messageOf } from '../errors.ts';
import { untilSignalled } from '../lib/until-signalled.ts';
import { HEALTH, WATCH_HEALTH } from './documents.ts';
import { followSubscription } from './follow-subscription.ts';
import { type Endpoint, graphqlRequest } from './graphql-request.ts';
import { endpointOf, type FindKey, type OperatorFlags, operatorCommand } from './operator-command.ts';
import { print } from './print.ts';

interface HealthFlags extends OperatorFlags {
  organization?: string;
  directory?: string;
  watch: boolean;
}

const seconds = z.number().nullable();
const latency = z.object({ p50Seconds: seconds, p95Seconds: seconds, p99Seconds: seconds, maxSeconds: seconds, samples: z.number() });
const healthShape = z.object({
  status: z.enum(['HEALTHY', 'DEGRADED', 'FAILING']),
  problems: z.array(z.object({ code: z.string(), message: z.string(), since: z.string() })),
  checkedAt: z.string(),
  windowSeconds: z.number(),
  cursor: z.object({
    eventId: z.string().nullable(),
    eventCreatedAt: z.string().nullable(),
    updatedAt: z.string().nullable(),
    fallsOffRetentionAt: z.string().nullable(),
  }),
  currentLagSeconds: z.number(),
  eventLag: latency,
  revocationLatency: latency,
  events: z.record(z.string(), z.number()),
  replays: z.object({ running: z.number(), succeeded: z.number(), failed: z.number(), successRate: seconds }),
  drift: z.object({
    accountsChecked: z.number(),
    accountsDrifted: z.number(),
    byKind: z.array(z.object({ kind: z.string(), count: z.number() })),
    lastReportId: z.string().nullable(),
    lastCheckedAt: z.string().nullable(),
  }),
  feed: z.object({ head: z.string(), relayLagSeconds: seconds, subscribers: z.number(), slowestSubscriberLagSeconds: seconds }),
  dependencies: z.array(z.object({ name: z.string(), ok: z.boolean(), latencyMs: z.number().nullable(), error: z.string().nullable() })),
});
type Health = z.infer<typeof healthShape>;

const EXIT_CODES = { HEALTHY: 0, DEGRADED: 1, FAILING: 2 } as const;

export function addHealthCommand(program: Command, key: FindKey): void {
  operatorCommand(program, {
    usage: 'health',
    description: 'is access in step with the directory? Exit code 0 HEALTHY, 1 DEGRADED, 2 FAILING or no answer',
    examples: ['health', 'health --directory directory_… --json', 'health --watch'],
  })
    .option('--organization <id>', 'of this organization alone')
    .option('--directory <id>', 'of this directory alone')
    .option('--watch', 'show it whenever it changes, until interrupted', false)
    .action(async (flags: HealthFlags) => {
      process.exitCode = EXIT_CODES.FAILING;
      const endpoint = endpointOf(flags, key);
      const scope = { organizationId: flags.organization ?? null, directoryId: flags.directory ?? null };
      try {
        process.exitCode = EXIT_CODES[(flags.watch ? await watch(endpoint, scope, flags) : await read(endpoint, scope, flags)).status];
      } catch (error) {
        process.stderr.write(`${messageOf(error)}\n`);
      }
    });
}

type Scope = Record<'organizationId' | 'directoryId', string | null>;
const shape = z.object({ syncHealth: healthShape });

async function read(endpoint: Endpoint, scope: Scope, flags: HealthFlags): Promise<Health> {
  const { syncHealth } = await graphqlRequest(endpoint, HEALTH, scope, shape);
  print(syncHealth, flags, () => renderHealth(syncHealth));
  return syncHealth;
}

/** The last one that was seen. */
async function watch(endpoint: Endpoint, scope: Scope, flags: HealthFlags): Promise<Pick<Health, 'status'>> {
  let last: Pick<Health, 'status'> = { status: 'FAILING' };
  for await (const { syncHealth } of followSubscription(endpoint, WATCH_HEALTH, scope, shape, untilSignalled())) {
    print(syncHealth, flags, () => `${renderHealth(syncHealth)}\n`);
    last = syncHealth;
  }
  return last;
}

const shown = (value: number | null, unit = ' s'): string => (value === null ? '–' : `${Number(value.toFixed(2))}${unit}`);
const renderLatency = ({ p50Seconds, p95Seconds, p99Seconds, maxSeconds, samples }: Health['eventLag']): string =>
  `p50 ${shown(p50Seconds)}, p95 ${shown(p95Seconds)}, p99 ${shown(p99Seconds)}, max ${shown(maxSeconds)} (${samples})`;

function renderHealth(health: Health): string {
  const {
    status,
    problems,
    checkedAt,
    cursor,
    currentLagSeconds,
    eventLag,
    revocationLatency,
    events,
    replays,
    drift,
    feed,
    dependencies,
  } = health;
  const counted = Object.entries(events).map(([name, n]) => `${n} ${name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)}`);
  return [
    `${status}  ${checkedAt}`,
    ...problems.map(({ code, message, since }) => `  ! ${code} since ${since}: ${message}`),
    `  lag          ${shown(currentLagSeconds)} now; events ${renderLatency(eventLag)}`,
    `  revocations  ${renderLatency(revocationLatency)}`,
    `  events       ${counted.join(', ')}`,
    `  replays      ${replays.running} running, ${replays.succeeded} succeeded, ${replays.failed} failed`,
    `  drift        ${drift.accountsDrifted} of ${drift.accountsChecked} accounts differ, checked ${drift.lastCheckedAt ?? 'never'}`,
    `  cursor       ${cursor.eventId ?? 'none yet'}, falls off WorkOS’ retention ${cursor.fallsOffRetentionAt ?? 'never'}`,
    `  feed         ${feed.subscribers} subscribers, slowest ${shown(feed.slowestSubscriberLagSeconds)} behind; relay ${shown(feed.relayLagSeconds)} behind`,
    ...dependencies.map(
      ({ name, ok, latencyMs, error }) => `  ${name.padEnd(12)} ${ok ? shown(latencyMs, ' ms') : `DOWN: ${error ?? 'no answer'}`}`,
    ),
  ].join('\n');
}
