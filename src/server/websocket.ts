// GraphQL over WebSocket: graphql-ws' protocol machine on ws, with every operation going through Yoga's pipeline, so that
// limits and error codes are those of HTTP. Close codes are part of the contract with clients (pitfalls: which of them a
// client tries again): 4401 no valid key, 4403 a caller that has lost its right, 1012 shutdown, 1013 a fault of ours.
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ExecutionArgs, GraphQLError, GraphQLFormattedError } from 'graphql';
import { handleProtocols, makeServer } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Report, toGraphQLError } from '../../schema/errors.ts';
import type { Caller } from '../auth/caller.ts';
import { AccessError } from '../errors.ts';
import { ReaderStalled } from '../feed/reader-stalled.ts';
import { inBatches } from '../lib/in-batches.ts';
import type { Admission } from './admission.ts';
import type { AddressOf } from './client-address.ts';
import type { ServerDeps } from './deps.ts';
import { cutFor } from './faults.ts';
import { createKeepAlive } from './keep-alive.ts';
import { DEFAULT_LIMITS, SENDING_AWAY } from './limits.ts';
import { type Answer, sendNextMessages } from './next-messages.ts';
import { createPacing, type PacedSend } from './paced-send.ts';
import { directAnswers } from './shared-answers.ts';
import { textFrame } from './text-frame.ts';
import type { Asking, Graphql } from './yoga.ts';

const GOODBYE_MS = 2_000;
/** Of one message: each costs memory of its own, however short it is. */
const PIECES = { maxFragments: 256, maxBufferedChunks: 4_096 };

/** What is kept of a socket for as long as it lives, so not its request. */
interface Extra extends Record<PropertyKey, unknown> {
  socket: WebSocket;
  send: PacedSend;
  authorization: string | undefined;
  address: string;
  gone: AbortSignal;
  caller?: Caller;
}

type Params = { authorization?: unknown; Authorization?: unknown };

export interface WebSockets {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Tells every client to come again, and waits until they are gone. */
  close(): Promise<void>;
}

/** The functions of one operation's pipeline travel with it as its root value, as Yoga's own recipe has it. */
type Pipeline = Pick<ReturnType<Graphql['yoga']['getEnveloped']>, 'execute' | 'subscribe'>;

export interface WebSocketDeps extends Graphql {
  admission: Admission;
  addressOf: AddressOf;
}

export function createWebSockets(deps: ServerDeps, { yoga, textOf, admission, addressOf }: WebSocketDeps): WebSockets {
  const { log, revalidation } = deps;
  const limits = { ...DEFAULT_LIMITS, ...deps.limits };
  const keepAlive = createKeepAlive(limits.keepAliveMs);
  const paced = createPacing(limits.socketBufferBytes);
  const report: Report = (cause) => log.error({ err: cause }, 'a request over WebSocket failed');
  const format = (error: GraphQLError): GraphQLFormattedError => {
    const { message, locations, path, extensions } = toGraphQLError(error, report).toJSON();
    const { http: _, ...shown } = extensions ?? {};
    return { message, ...(locations && { locations }), ...(path && { path }), extensions: shown };
  };

  const formatResult = ({ errors, data }: Answer): object => ({
    ...(errors && { errors: errors.map(format) }),
    ...(data !== undefined && { data }),
  });

  const protocol = makeServer<Params, Extra>({
    connectionInitWaitTimeout: limits.connectionInitTimeoutMs,
    async onConnect({ connectionParams, extra }) {
      const given = connectionParams?.authorization ?? connectionParams?.Authorization ?? extra.authorization;
      try {
        const caller = await admission.authenticate(extra.address, typeof given === 'string' ? given : null);
        if (caller) {
          await admission.connect(caller);
          const leavePlace = admission.stay(caller);
          const leaveWatch = revalidation.watch(caller, () => void forbid(extra));
          const leave = () => {
            leavePlace();
            leaveWatch();
          };
          if (extra.gone.aborted) leave();
          else extra.gone.addEventListener('abort', leave, { once: true });
          extra.caller = caller;
          return true;
        }
        extra.socket.close(4401, 'Unauthorized');
      } catch (error) {
        if (!(error instanceof AccessError)) throw error;
        extra.socket.close(1013, 'Try again later');
      }
      return false;
    },
    async onSubscribe({ extra, subscriptions }, _id, payload) {
      // Thrown from here, an error would close the whole socket with a code that clients never try again.
      try {
        if (Object.keys(subscriptions).length > limits.subscriptionsPerSocket) {
          throw new AccessError('RATE_LIMITED', `At most ${limits.subscriptionsPerSocket} operations at a time on one socket.`);
        }
        // A peer need not heed a close frame.
        if (!(await revalidation.holds(extra.caller as Caller))) throw forbid(extra);
        await admission.operation(extra.caller as Caller, extra.address);
        const { operationName, variables } = payload;
        const { schema, parse, validate, contextFactory, execute, subscribe } = yoga.getEnveloped(askingOf(extra));
        const document = parse(textOf(payload) ?? '');
        // Kept with the operation: the text that the cached document has, not one for each.
        Object.assign(payload, { query: document.loc?.source.body ?? payload.query });
        const faults = validate(schema, document);
        if (faults.length > 0) return faults;
        const rootValue: Pipeline = { execute, subscribe };
        return { schema, document, operationName, variableValues: variables, contextValue: await contextFactory(), rootValue };
      } catch (error) {
        return [toGraphQLError(error, report)];
      }
    },
    execute: (args: ExecutionArgs) => (args.rootValue as Pipeline).execute(args),
    subscribe: (args: ExecutionArgs) => (args.rootValue as Pipeline).subscribe(args),
    onOperation({ extra }, id, _payload, { contextValue }, result) {
      if (!(Symbol.asyncIterator in result)) return undefined;
      const { send } = extra;
      const direct = directAnswers(contextValue as object);
      if (!direct) return sendNextMessages(result[Symbol.asyncIterator](), { id, format: formatResult, send, onError: (error) => error });
      const onError = (error: unknown) => {
        const shown = toGraphQLError(error, report);
        askingOf(extra).onFault(shown.extensions.code, true);
        return shown;
      };
      return sendNextMessages(direct, { id, format: formatResult, send, onError });
    },
    onNext: (_context, _id, _payload, _args, result) => formatResult(result),
    onError: (_context, _id, _payload, errors) => errors.map(format),
  });

  const server = new WebSocketServer({ noServer: true, maxPayload: limits.messageBytes, ...PIECES, handleProtocols });

  server.on('connection', (socket, request) => {
    const gone = new AbortController();
    const { authorization } = request.headers;
    const send = paced(socket, request.socket);
    const extra: Extra = { socket, send, authorization, address: addressOf(request), gone: gone.signal };
    const fail = (error: unknown) => {
      report(error);
      socket.close(1013, 'Try again later');
    };
    // A message that is too long or malformed: ws closes the socket by itself.
    socket.on('error', (error) => log.debug({ err: error.message }, 'a WebSocket failed'));
    const leave = keepAlive.watch(socket, () => gone.abort(new ReaderStalled('WebSocket', extra.caller?.name)));
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        send: async (message) => send(textFrame(message)),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (take) => socket.on('message', (data) => void take(String(data)).catch(fail)),
      },
      extra,
    );
    socket.once('close', (code, reason) => {
      leave();
      gone.abort();
      closed(code, String(reason)).catch(report);
    });
  });

  return {
    upgrade: (request, socket, head) =>
      server.handleUpgrade(request, socket, head, (accepted) => server.emit('connection', accepted, request)),
    async close() {
      await inBatches(server.clients, SENDING_AWAY, async (socket) => {
        const left = once(socket, 'close');
        const impatient = setTimeout(() => socket.terminate(), GOODBYE_MS);
        socket.close(1012, 'Service restart');
        await left.finally(() => clearTimeout(impatient));
      });
    },
  };
}

/** For a caller that has lost its right. */
function forbid({ socket }: Extra): AccessError {
  socket.close(4403, 'Forbidden');
  return new AccessError('UNAUTHENTICATED', 'The key or token of this socket was revoked, or has expired.');
}

const askingOf = ({ caller, gone, socket }: Extra): Asking => ({
  caller: caller as Caller,
  signal: gone,
  transport: 'WebSocket',
  onFault(errorCode, streaming) {
    const cut = cutFor(errorCode, streaming);
    if (cut) socket.close(cut.code, cut.reason);
  },
});
