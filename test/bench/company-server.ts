// WorkOS as a company's first synchronisation sees it, of any size in constant memory: the fake's Events API over events that
// are made when they are asked for. Nothing but events is there: with INITIAL_IMPORT off, and nobody who comes back, the service
// asks for nothing else.
import { createServer, type Server } from 'node:http';
import { type ListedEvents, listEvents } from '../../src/fake-workos/events-api.ts';
import { FAKE_API_KEY } from '../../src/fake-workos/options.ts';
import { notFound, type Reply, unauthorized } from '../../src/fake-workos/replies.ts';
import { respond } from '../../src/fake-workos/respond.ts';
import { type CompanySize, countOf, eventOf, numberOfEvent } from './ingest-company.ts';

/** As `access-service fake-workos --events` has them. */
const OPTIONS = { holdBackMs: 0, retentionDays: null, unknownAfter: 'refuse', pageRepeats: false } as const;

/** In the order of their ids; after an id that is none of them comes the first. */
function eventsOf(size: CompanySize): ListedEvents {
  const count = countOf(size);
  return {
    size: count,
    at(n) {
      if (n < 0 || n >= count) return undefined;
      const event = eventOf(size, n);
      const atMs = Date.parse(event.created_at);
      return { event, createdAtMs: atMs, arrivedAtMs: atMs, shown: true };
    },
    indexAfter: (id) => (numberOfEvent(id) ?? -1) + 1,
  };
}

/** `onUnknown` is told of paths that are asked for and not there. */
export function createCompanyServer(size: CompanySize, onUnknown: (path: string) => void): Server {
  const events = eventsOf(size);
  const { signal } = new AbortController();
  const answer = (path: string, query: URLSearchParams): Reply => {
    if (path === '/events') return listEvents(events, query, Date.now(), OPTIONS);
    onUnknown(path);
    return notFound('Path', path);
  };
  return createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://company');
    const known = request.headers.authorization === `Bearer ${FAKE_API_KEY}`;
    respond(response, known ? answer(pathname, searchParams) : unauthorized, undefined, signal).catch(() => response.destroy());
  });
}
