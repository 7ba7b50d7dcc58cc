// A TCP proxy between the service and Postgres or Redis: forwards, cuts, stalls, turns to another server, and cuts in the very
// moment of a COMMIT, before the server has it or before its answer comes back.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface FaultProxy {
  port: number;
  /** Where new connections go. */
  turnTo(port: number): void;
  /** Resets every connection; later ones pass. */
  cut(): void;
  /** Nothing passes any more in either direction, and nobody is told. */
  stall(): void;
  flow(): void;
  connections(): number;
  /**
   * The next COMMIT of a transaction that sent `after` reaches the server, or does not; either way the client sees a cut and
   * no answer. Resolves when that has happened.
   */
  cutAtCommit(o: { after: string; reachesServer: boolean }): Promise<void>;
  close(): Promise<void>;
}

interface Pair {
  near: Socket;
  far: Socket;
  /** The transaction sent what `cutAtCommit` waits for. */
  lured: boolean;
  /** Of what was sent, in case that the next chunk ends it. */
  tail: string;
  /** Answers are swallowed; the first one ends the pair. */
  doomed: boolean;
}

interface Ambush {
  after: string;
  reachesServer: boolean;
  sprung: () => void;
}

// Simple query protocol, as the driver sends it.
const COMMIT = 'COMMIT\0';
const BEGIN = 'BEGIN';

export async function startProxy(target: number): Promise<FaultProxy> {
  const pairs = new Set<Pair>();
  let port = target;
  let stalled = false;
  let ambush: Ambush | undefined;

  const end = (pair: Pair): void => {
    pairs.delete(pair);
    // A reset after an end is refused, and would leave the socket behind.
    if (pair.near.writableEnded) pair.near.destroy();
    else pair.near.resetAndDestroy();
    pair.far.destroy();
  };

  /** false: the pair has ended, and the chunk goes nowhere. */
  function watch(pair: Pair, chunk: Buffer): boolean {
    if (!ambush) return true;
    const text = pair.tail + chunk.toString('latin1');
    pair.tail = text.slice(-ambush.after.length);
    if (text.includes(BEGIN)) pair.lured = false;
    pair.lured ||= text.includes(ambush.after);
    if (!pair.lured || !text.includes(COMMIT)) return true;
    const { reachesServer, sprung } = ambush;
    ambush = undefined;
    pair.doomed = true;
    if (!reachesServer) end(pair);
    sprung();
    return reachesServer;
  }

  const server = createServer((near) => {
    const pair: Pair = { near, far: connect(port, '127.0.0.1'), lured: false, tail: '', doomed: false };
    pairs.add(pair);
    for (const socket of [near, pair.far]) {
      socket.on('error', () => {});
      socket.once('close', () => end(pair));
      if (stalled) socket.pause();
    }
    near.on('data', (chunk) => {
      if (watch(pair, chunk)) pair.far.write(chunk);
    });
    pair.far.on('data', (chunk) => {
      if (pair.doomed) end(pair);
      else near.write(chunk);
    });
    if (stalled) for (const socket of [near, pair.far]) socket.pause();
  });
  server.listen(0, '127.0.0.1', 1_024);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  const cut = (): void => {
    for (const pair of [...pairs]) end(pair);
  };
  return {
    port: address.port,
    turnTo(next) {
      port = next;
      cut();
    },
    cut,
    stall() {
      stalled = true;
      for (const { near, far } of pairs) for (const socket of [near, far]) socket.pause();
    },
    flow() {
      stalled = false;
      for (const { near, far } of pairs) for (const socket of [near, far]) socket.resume();
    },
    connections: () => pairs.size,
    cutAtCommit: ({ after, reachesServer }) =>
      new Promise((sprung) => {
        ambush = { after, reachesServer, sprung };
      }),
    async close() {
      server.close();
      cut();
      await once(server, 'close');
    },
  };
}
