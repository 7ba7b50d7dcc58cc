// Writes a reply to the wire, spoilt by a fault if one strikes. Every answer says that it comes from the fake.
import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { createRandom } from '../lib/random.ts';
import { sleep } from '../lib/sleep.ts';
import type { ActiveFault } from './faults.ts';
import type { Page, Reply } from './replies.ts';

export const MARK = { 'x-fake-workos': '1' } as const;

interface Wire {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

export async function respond(response: ServerResponse, reply: Reply, fault: ActiveFault | undefined, signal: AbortSignal): Promise<void> {
  if (fault?.kind === 'reset' && !fault.midBody) {
    response.destroy();
    return;
  }
  const { status, headers, body } = toWire(spoilReply(reply, fault), fault);
  response.writeHead(status, { ...headers, 'content-length': body.length, 'x-request-id': randomUUID(), ...MARK });
  if (fault?.kind === 'reset') {
    response.write(body.subarray(0, body.length >> 1), () => response.destroy());
    return;
  }
  if (fault?.kind === 'slow') {
    response.flushHeaders();
    await sleep(fault.delayMs, signal);
  }
  response.end(body);
}

/** Spoils what can be said in terms of the answer. */
function spoilReply(reply: Reply, fault: ActiveFault | undefined): Reply {
  switch (fault?.kind) {
    case 'status': {
      const message = fault.status === 429 ? 'Too many requests.' : `The fake WorkOS was asked to answer ${fault.status}.`;
      return {
        status: fault.status,
        body: { message },
        ...(fault.retryAfter === null ? {} : { headers: { 'retry-after': fault.retryAfter } }),
      };
    }
    case 'empty':
      return withPage(reply, (page) => ({ ...page, data: [], list_metadata: { before: null, after: null } }));
    case 'duplicated':
      return withPage(reply, (page) => ({ ...page, data: page.data.flatMap((item) => [item, item]) }));
    case 'reordered':
      return withPage(reply, (page) => ({ ...page, data: createRandom(fault.seed).shuffle(page.data) }));
    case 'lost':
      return withPage(reply, (page) => ({ ...page, data: page.data.filter((_, index) => !isLost(index, fault.everyNth)) }));
    default:
      return reply;
  }
}

/** Which items of a page the fault `lost` takes away. */
export const isLost = (index: number, everyNth: number): boolean => (index + 1) % everyNth === 0;

function withPage(reply: Reply, change: (page: Page) => Page): Reply {
  return isPage(reply.body) ? { ...reply, body: change(reply.body) } : reply;
}

const isPage = (body: unknown): body is Page => typeof body === 'object' && body !== null && 'object' in body && body.object === 'list';

/** Spoils what can only be said in bytes. */
function toWire(reply: Reply, fault: ActiveFault | undefined): Wire {
  const json = { status: reply.status, headers: { 'content-type': 'application/json; charset=utf-8', ...reply.headers } };
  const body = Buffer.from(JSON.stringify(reply.body));
  switch (fault?.kind) {
    case 'html':
      return {
        status: fault.status,
        headers: { 'content-type': 'text/html' },
        body: Buffer.from('<html><body><h1>Bad gateway</h1></body></html>'),
      };
    case 'truncated':
      return { ...json, body: body.subarray(0, body.length >> 1) };
    case 'bad_utf8':
      return { ...json, body: breakUtf8(body) };
    default:
      return { ...json, body };
  }
}

/** Puts a lone continuation byte into the last string of the body. */
function breakUtf8(body: Buffer): Buffer {
  const broken = Buffer.from(body);
  const quote = broken.lastIndexOf('"');
  if (quote > 0) broken[quote - 1] = 0x80;
  return broken;
}
