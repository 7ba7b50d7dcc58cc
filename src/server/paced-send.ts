// What goes to a client, and how much may wait for one that does not read. A message goes out at the end of the turn in which it
// came up, together with what else came up for that client: so ten thousand writes follow each other without our work in between,
// and a reader that is woken stays awake. The next is asked for when what waits has come down to the limit: graphql-ws and
// next-messages.ts await each send before they pull the source again, so this is what stops the pulling.
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';

/** Settles, never rejects: also when the socket closes. Nothing is to be waited for where nothing is returned. */
export type PacedSend = (frame: Buffer) => Promise<void> | undefined;

/** `wire` is what ws writes to as well, as soon as it is told to: nothing is compressed. So what both write keeps its order. */
export function createPacing(maxBufferedBytes: number): (socket: WebSocket, wire: Duplex) => PacedSend {
  let held: Duplex[] = [];
  const letGo = (): void => {
    const all = held;
    held = [];
    for (const wire of all) wire.uncork();
  };
  const hold = (wire: Duplex): void => {
    if (wire.writableCorked > 0) return;
    if (held.length === 0) process.nextTick(letGo);
    wire.cork();
    held.push(wire);
  };
  return (socket, wire) => {
    let waiting: (() => void)[] = [];
    const full = () => socket.readyState === socket.OPEN && wire.writableLength > maxBufferedBytes;
    // Called for each message, when it was handed to the system and when it never will be.
    const onSent = () => {
      if (waiting.length === 0 || full()) return;
      const all = waiting;
      waiting = [];
      for (const settle of all) settle();
    };
    return (frame) => {
      if (socket.readyState !== socket.OPEN) return undefined;
      hold(wire);
      wire.write(frame, onSent);
      return full() ? new Promise((resolve) => void waiting.push(resolve)) : undefined;
    };
  };
}
