// Everybody's access in one organization as of one position, page by page over HTTP. A page that fails is asked for again, for
// ever; the cursor of a page holds the position, so every page agrees with the first whatever happens in between.
import { backoffMs } from '../lib/backoff.ts';
import { SNAPSHOT_PAGE } from './documents.ts';
import { type Ending, judge, type WireError } from './ending.ts';
import { authorizationBy, type Token } from './endpoint.ts';
import { pause } from './pause.ts';

export interface SnapshotOptions {
  /** The GraphQL endpoint. */
  url: string;
  token: Token;
  organizationId: string;
  fetch: typeof fetch;
  backoff: { minMs: number; maxMs: number };
  signal: AbortSignal;
  onWaiting(state: { reason: string; retryInMs: number; failures: number }): void;
}

interface Page {
  asOf: string;
  nodes: { userId: string; permissions: { permission: string }[] }[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
}

const PAGE_SIZE = 500;
const TIMEOUT_MS = 30_000;

/** Hands every user to `put`, and resolves with the cursor to follow from; undefined when the signal has aborted. Throws SnapshotNeeded and RequestRefused. */
export async function readSnapshot(
  options: SnapshotOptions,
  put: (userId: string, permissions: string[]) => void,
): Promise<string | undefined> {
  for (let after: string | null = null; ; ) {
    const page: Page | undefined = await askPersistently(options, after);
    if (!page) return undefined;
    for (const { userId, permissions } of page.nodes)
      put(
        userId,
        permissions.map(({ permission }) => permission),
      );
    if (!page.pageInfo.hasNextPage) return page.asOf;
    after = page.pageInfo.endCursor;
  }
}

async function askPersistently(options: SnapshotOptions, after: string | null): Promise<Page | undefined> {
  const { backoff, signal, onWaiting } = options;
  for (let failures = 1; !signal.aborted; failures += 1) {
    const answer = await ask(options, after).catch((error: unknown): Ending => ({ kind: 'broken', reason: String(error) }));
    if (!('kind' in answer)) return answer;
    if (signal.aborted) return undefined;
    const verdict = judge(answer);
    if (verdict.kind === 'tell') throw verdict.error;
    const retryInMs = backoffMs(failures, backoff);
    onWaiting({ reason: verdict.reason, retryInMs, failures });
    await pause(retryInMs, signal);
  }
  return undefined;
}

async function ask({ url, token, organizationId, fetch, signal }: SnapshotOptions, after: string | null): Promise<Page | Ending> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json', authorization: await authorizationBy(token) },
    body: JSON.stringify({ query: SNAPSHOT_PAGE, variables: { organizationId, first: PAGE_SIZE, after } }),
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
  });
  const { data, errors } = (await response.json()) as { data?: { entitlementSnapshot: Page }; errors?: WireError[] };
  if (errors) return { kind: 'errors', errors };
  return data?.entitlementSnapshot ?? { kind: 'closed', code: response.status, reason: response.statusText };
}
