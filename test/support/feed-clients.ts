// Consumers of the feed in other processes; see test/fixtures/feed-clients.ts.
import type { FeedFilter } from '../../src/client/client.ts';
import { type Child, startChild } from './child.ts';

export interface ClientsOptions {
  url: string;
  key: string;
  transport: 'WebSocket' | 'SSE';
  count: number;
  filter: FeedFilter;
  after: string;
}

export interface ClientsReport {
  /** That have received anything. */
  live: number;
  /** Changes by consumer. */
  received: number[];
  /** Changes that were not the next one. */
  faults: number;
  connections: number;
  /** Consumers whose feed is over. */
  ended: number;
  /** From recording to arrival, since the last report. */
  latenciesMs: number[];
}

export type Clients = Child<object, ClientsReport>;

export const startClients = (options: ClientsOptions): Clients => startChild('feed-clients.ts', options);

/** What all of them have seen. */
export async function reportOf(clients: readonly Clients[]): Promise<ClientsReport> {
  const reports = await Promise.all(clients.map((one) => one.ask({})));
  const sum = (pick: (report: ClientsReport) => number) => reports.reduce((total, report) => total + pick(report), 0);
  return {
    live: sum(({ live }) => live),
    faults: sum(({ faults }) => faults),
    connections: sum(({ connections }) => connections),
    ended: sum(({ ended }) => ended),
    received: reports.flatMap(({ received }) => received),
    latenciesMs: reports.flatMap(({ latenciesMs }) => latenciesMs),
  };
}
