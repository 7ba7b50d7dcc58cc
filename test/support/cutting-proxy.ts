// A TCP proxy in front of a server, which cuts every connection at once, freezes them, or takes none.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface CuttingProxy {
  url: string;
  connections(): number;
  /** Ends every connection without a word. Later ones pass. */
  cut(): void;
  /** Whether new connections are ended at once. */
  refuse(refusing: boolean): void;
  /** Nothing passes any more, and nobody is told. */
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

export async function startCuttingProxy(port: number): Promise<CuttingProxy> {
  const sockets = new Set<Socket>();
  let frozen = false;
  let refusing = false;
  const server = createServer((near) => {
    if (refusing) return void near.destroy();
    const far = connect(port, '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
      if (frozen) socket.pause();
    }
  });
  server.listen(0, '127.0.0.1', 4_096);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  const cut = () => {
    // Not reset: that fails, and leaves the socket open, where one side has ended already.
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${address.port}`,
    connections: () => sockets.size / 2,
    cut,
    refuse(now) {
      refusing = now;
    },
    freeze() {
      frozen = true;
      for (const socket of sockets) socket.pause();
    },
    thaw() {
      frozen = false;
      for (const socket of sockets) socket.resume();
    },
    async stop() {
      server.close();
      cut();
      await once(server, 'close');
    },
  };
}
