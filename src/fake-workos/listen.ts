import type { Server } from 'node:http';
import { messageOf, StartError } from '../errors.ts';

/** Resolves with the port. Throws StartError when the place is taken or not ours. */
export function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => {
      const reason = error.code === 'EADDRINUSE' ? 'something else listens there already; choose another port' : messageOf(error);
      reject(new StartError(`The fake WorkOS cannot listen on ${host}:${port}: ${reason}`, { cause: error }));
    };
    server.once('error', fail);
    server.listen(port, host, () => {
      server.off('error', fail);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

/** Cuts what is open: nobody waits for the answer of a stand-in that goes away. */
export async function closeServer(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
}
