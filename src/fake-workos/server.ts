// The stand-in for WorkOS: Events API, state API, webhooks, faults on request. One stream of events, one truth, one HTTP
// server. Every answer carries x-fake-workos; the page at / and the first log line say what this is.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createCloser } from '../lib/closer.ts';
import { foundCompany } from './company-founding.ts';
import type { Controls } from './control-api.ts';
import { createFaultList, type Fault } from './faults.ts';
import { closeServer, listen } from './listen.ts';
import { loadLedger } from './load-ledger.ts';
import { type FakeWorkosOptions, withDefaults } from './options.ts';
import { createPublisher, type Publish } from './publisher.ts';
import { respond } from './respond.ts';
import { createRoutes } from './routes.ts';
import { startSource } from './sources.ts';
import type { Truth } from './truth.ts';
import { createWebhooks, type DeliveryCounts } from './webhooks.ts';

export type { Fault } from './faults.ts';
export { type HistoryEvent, loadHistory, type NewEvent } from './history.ts';
export type { FakeWorkosOptions } from './options.ts';

export interface FakeWorkos {
  url: string;
  apiKey: string;
  webhookSecret: string | null;
  publish: Publish;
  fault(fault: Fault): void;
  clearFaults(): void;
  /** The fold of all published events, in id order. */
  truth(): Truth;
  /** Requests so far by path, ids as `:id`. */
  requests(): Readonly<Record<string, number>>;
  /** null without a webhook. */
  deliveries(): DeliveryCounts | null;
  /** Resolves when every webhook is delivered, lost or given up. */
  delivered(): Promise<void>;
  close(): Promise<void>;
}

/** Events of a living company that stay in memory and in its file; older ones are folded away. */
const COMPANY_KEEPS_EVENTS = 20_000;

export async function startFakeWorkos(options: FakeWorkosOptions): Promise<FakeWorkos> {
  const { log, source, webhook } = options;
  const settings = withDefaults(options);
  const { clock } = settings;
  const closer = createCloser();
  const stopping = new AbortController();
  const faults = createFaultList();
  const webhooks = webhook ? createWebhooks({ target: webhook, faults, log, clock }) : null;
  const { ledger, store, random } = await loadLedger(source);
  const living = source.kind === 'company';
  const publish = createPublisher({ ledger, webhooks, store, random, clock, keepEvents: living ? COMPANY_KEEPS_EVENTS : null });
  if (living && ledger.truth().directories.size === 0) {
    for (const event of foundCompany(random, clock())) publish(event, { viaWebhook: false });
  }

  const counts: Record<string, number> = {};
  const controls: Controls = {
    publish,
    fault: (fault) => faults.add(fault),
    clearFaults: () => faults.clear(),
    faults: () => faults.active(),
    truth: () => ledger.truth(),
    requests: () => ({ ...counts }),
    deliveries: () => webhooks?.counts() ?? null,
  };
  const count = (path: string): void => {
    counts[path] = (counts[path] ?? 0) + 1;
  };
  const routes = createRoutes({ ledger, faults, controls, count }, settings);
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      const { reply, fault } = await routes(request);
      await respond(response, reply, fault, stopping.signal);
    } catch (error) {
      log.error({ err: error, path: request.url }, 'the fake WorkOS failed to answer');
      response.destroy();
    }
  };
  const server = createServer((request, response) => void answer(request, response));

  const port = await listen(server, settings.host, settings.port);
  const url = `http://${settings.host.includes(':') ? `[${settings.host}]` : settings.host}:${port}`;
  log.warn(
    { url, source: source.kind, users: ledger.truth().users.size },
    'FAKE WorkOS: this is a stand-in, not WorkOS; no real directory is behind it',
  );
  const dependencies = { publish, truth: () => ledger.truth(), random, clock, signal: stopping.signal, log };
  const life = startSource(source, dependencies).catch((error: unknown) =>
    log.error({ err: error }, 'the fake WorkOS has no more events to tell'),
  );
  closer.add('webhooks', () => webhooks?.close());
  closer.add('source', () => life);
  closer.add('http', () => closeServer(server));
  closer.add('waits', () => stopping.abort());

  return {
    ...controls,
    url,
    apiKey: settings.apiKey,
    webhookSecret: webhook?.secret ?? null,
    delivered: async () => webhooks?.drained(),
    close: () => closer.close((step, error) => log.error({ err: error, step }, 'the fake WorkOS did not close cleanly')),
  };
}
