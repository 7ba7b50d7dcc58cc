import type { Server } from 'node:http';
import { StartError } from '../errors.ts';

/** Rejects with one clear sentence where the operator can do something about it. */
export const listenOn = (server: Server, port: number, host: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => reject(cannotListen(error, port, host));
    server.once('error', onError);
    server.listen(port, host, () => {
      server.off('error', onError);
      resolve();
    });
  });

function cannotListen(error: NodeJS.ErrnoException, port: number, host: string): Error {
  const why: Record<string, string> = {
    EADDRINUSE: `Port ${port} on ${host} is in use by another program. Stop that program, or choose another port with PORT.`,
    EACCES: `Listening on port ${port} is not permitted to this user. Choose a port above 1023 with PORT.`,
    EADDRNOTAVAIL: `This machine has no address ${host}. Choose one of its own with HOST, or 0.0.0.0 for all of them.`,
    ENOTFOUND: `There is no host named ${host}. Choose an address of this machine with HOST.`,
  };
  const sentence = why[error.code ?? ''];
  return sentence ? new StartError(sentence, { cause: error }) : error;
}
