// `access-service fake-workos`: the stand-in as a server of its own, until a signal ends it.

import { type FakeWorkosOptions, loadHistory, startFakeWorkos } from '../fake-workos/server.ts';
import type { Logger } from '../log.ts';

export interface FakeWorkosFlags {
  host: string;
  port: number;
  apiKey?: string;
  events?: string;
  speed?: number;
  state?: string;
  seed?: number;
  eventsPerSecond?: number;
  webhookUrl?: string;
  webhookSecret?: string;
  webhookRepeat?: number;
  webhookShuffle?: number;
  pageRepeats?: boolean;
  rateLimits?: boolean;
  holdBackMs?: number;
  retentionDays?: number;
}

/** Drops what was not given, so that the server's own defaults hold. */
const given = <T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> };

async function sourceOf({ events, speed, seed, eventsPerSecond, state }: FakeWorkosFlags): Promise<FakeWorkosOptions['source']> {
  if (events !== undefined) return { kind: 'history', events: await loadHistory(events), ...given({ speed }) };
  return { kind: 'company', ...given({ seed, eventsPerSecond, statePath: state }) };
}

export async function runFakeWorkos(flags: FakeWorkosFlags, log: Logger, signal: AbortSignal): Promise<void> {
  const { host, port, apiKey, webhookUrl, webhookSecret = 'whsec_fake_workos', webhookRepeat, webhookShuffle } = flags;
  const { pageRepeats, rateLimits, holdBackMs, retentionDays } = flags;
  const webhook = webhookUrl
    ? { url: webhookUrl, secret: webhookSecret, ...given({ repeat: webhookRepeat, shuffleSeed: webhookShuffle }) }
    : undefined;
  const fake = await startFakeWorkos({
    log,
    host,
    port,
    source: await sourceOf(flags),
    ...given({ apiKey, webhook, pageRepeats, rateLimits, holdBackMs, retentionDays }),
  });
  process.stdout.write(
    `\n  FAKE WorkOS at ${fake.url}: nothing here is real.\n  Use it with: WORKOS_API_URL=${fake.url} WORKOS_API_KEY=${fake.apiKey}${webhookUrl ? ` WORKOS_WEBHOOK_SECRET=${webhookSecret}` : ''}\n\n`,
  );
  if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  await fake.close();
}
