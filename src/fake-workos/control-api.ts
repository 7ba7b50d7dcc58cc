// /_fake/…: what a user of the tool may ask of the fake at run time. Not part of WorkOS.
import { z } from 'zod';
import { COMPANY_CATALOG } from './company-catalog.ts';
import { type Fault, faultSchema } from './faults.ts';
import { parseTime } from './history.ts';
import type { Publish } from './publisher.ts';
import { notFound, ok, type Reply } from './replies.ts';
import type { Truth } from './truth.ts';
import type { DeliveryCounts } from './webhooks.ts';

export interface Controls {
  publish: Publish;
  fault(fault: Fault): void;
  clearFaults(): void;
  faults(): readonly Fault[];
  truth(): Truth;
  requests(): Readonly<Record<string, number>>;
  deliveries(): DeliveryCounts | null;
}

const newEvent = z.looseObject({
  object: z.literal('event').exactOptional(),
  id: z.string().min(1).exactOptional(),
  event: z.string().min(1),
  data: z.unknown(),
  created_at: z
    .string()
    .refine((text) => !Number.isNaN(parseTime(text)), 'not a date')
    .exactOptional(),
  viaApi: z.boolean().exactOptional(),
  viaWebhook: z.boolean().exactOptional(),
});

const oneOrMany = <T extends z.ZodType>(schema: T) => z.union([schema.transform((one) => [one]), z.array(schema)]);
const faultsBody = oneOrMany(faultSchema);
const eventsBody = oneOrMany(newEvent);

/** `body`: the JSON text of a POST. */
export function control(controls: Controls, method: string, path: string, body: string): Reply {
  switch (`${method} ${path}`) {
    case 'GET /_fake/faults':
      return ok(controls.faults());
    case 'POST /_fake/faults':
      return accept(faultsBody, body, (faults) => {
        for (const fault of faults) controls.fault(fault);
        return controls.faults();
      });
    case 'DELETE /_fake/faults':
      controls.clearFaults();
      return ok([]);
    case 'POST /_fake/events':
      return accept(eventsBody, body, (events) => ({
        ids: events.map(({ viaApi = true, viaWebhook = true, ...event }) => controls.publish(event, { viaApi, viaWebhook })),
      }));
    case 'GET /_fake/truth':
      return ok(describeTruth(controls.truth()));
    case 'GET /_fake/requests':
      return ok({ requests: controls.requests(), webhooks: controls.deliveries() });
    case 'GET /_fake/catalog':
      return ok(COMPANY_CATALOG);
    default:
      return notFound('Path', `${method} ${path}`);
  }
}

function accept<T>(schema: z.ZodType<T>, body: string, act: (value: T) => unknown): Reply {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return { status: 400, body: { message: 'The body is not JSON.' } };
  }
  const parsed = schema.safeParse(value);
  return parsed.success ? ok(act(parsed.data)) : { status: 422, body: { message: z.prettifyError(parsed.error) } };
}

/** The truth as JSON; memberships as group ids of each user. */
export const describeTruth = (truth: Truth) => ({
  organizations: [...truth.organizations.values()],
  directories: [...truth.directories.values()],
  users: [...truth.users.values()].map((user) => ({ ...user, groupIds: truth.groupsOf(user.id) })),
  groups: [...truth.groups.values()].map((group) => ({ ...group, members: truth.membersOf(group.id).length })),
});
