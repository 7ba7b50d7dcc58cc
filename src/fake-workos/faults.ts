// Faults on request: what goes wrong, where, how often. Which fault strikes is decided here; src/fake-workos/respond.ts
// and webhooks.ts carry it out.
import { z } from 'zod';

const where = {
  /** '/events', '/directory_users' (also with an id), '*' for every API path, or 'webhook' for deliveries. */
  path: z.string().min(1).default('*'),
  /** How many requests or deliveries it hits; null: until cleared. */
  times: z.int().min(1).nullable().default(1),
};
const delayMs = z.int().min(0).max(600_000).default(5_000);

export const faultSchema = z.discriminatedUnion('kind', [
  /** An error with a JSON body; `retryAfter`: seconds or an HTTP date. */
  z.strictObject({
    kind: z.literal('status'),
    status: z.int().min(400).max(599),
    retryAfter: z.string().nullable().default(null),
    ...where,
  }),
  /** An HTML page, as a proxy in between would give. */
  z.strictObject({ kind: z.literal('html'), status: z.int().min(200).max(599).default(500), ...where }),
  /** JSON that ends in the middle, in a complete HTTP answer. */
  z.strictObject({ kind: z.literal('truncated'), ...where }),
  /** Headers at once, the body after the delay. For 'webhook': delivered later, so that others overtake it. */
  z.strictObject({ kind: z.literal('slow'), delayMs, ...where }),
  /** The connection is cut: before the answer, or in the middle of the body. */
  z.strictObject({ kind: z.literal('reset'), midBody: z.boolean().default(false), ...where }),
  /** A page without items that says it is the last. */
  z.strictObject({ kind: z.literal('empty'), ...where }),
  /** A byte that is no UTF-8 inside a string. */
  z.strictObject({ kind: z.literal('bad_utf8'), ...where }),
  /** Every item of the page twice. For 'webhook': delivered twice. */
  z.strictObject({ kind: z.literal('duplicated'), ...where }),
  /** The items of the page in a wrong order. */
  z.strictObject({ kind: z.literal('reordered'), seed: z.int().default(1), ...where }),
  /** Every n-th item of the page is never shown again by GET /events. For 'webhook': every n-th delivery never happens. */
  z.strictObject({ kind: z.literal('lost'), everyNth: z.int().min(1).default(1), ...where }),
  /** For 'webhook' only. */
  z.strictObject({ kind: z.literal('bad_signature'), ...where }),
]);

/** As it is asked for: what has a default may be left out. */
export type Fault = z.input<typeof faultSchema>;
export type ActiveFault = z.output<typeof faultSchema>;

export interface FaultList {
  add(fault: Fault): void;
  clear(): void;
  active(): readonly ActiveFault[];
  /** The fault that strikes now, if any; counts it. The oldest that fits comes first. */
  strike(path: string): ActiveFault | undefined;
}

export function createFaultList(): FaultList {
  let faults: ActiveFault[] = [];
  const fits = (fault: ActiveFault, path: string): boolean =>
    fault.path === path || (path !== 'webhook' && (fault.path === '*' || path.startsWith(`${fault.path}/`)));
  return {
    add: (fault) => void faults.push(faultSchema.parse(fault)),
    clear() {
      faults = [];
    },
    active: () => faults,
    strike(path) {
      const fault = faults.find((candidate) => fits(candidate, path));
      if (fault?.times != null) {
        fault.times -= 1;
        if (fault.times === 0) faults = faults.filter((other) => other !== fault);
      }
      return fault;
    },
  };
}
