// How much waits for a client that does not read: a message is sent at once, and the next is asked for when what waits has
// come down to the limit. graphql-ws awaits each send before it pulls the source again, so this is what stops the pulling.
import type { WebSocket } from 'ws';

/** Settles, never rejects: also when the socket closes. Nothing is to be waited for where nothing is returned. */
export function createPacedSend(socket: WebSocket, maxBufferedBytes: number): (message: string) => Promise<void> | undefined {
  const waiting = new Set<() => void>();
  const full = () => socket.readyState === socket.OPEN && socket.bufferedAmount > maxBufferedBytes;
  // Called for each message, when it was handed to the system and when it never will be.
  const onSent = () => {
    if (full()) return;
    for (const settle of waiting) settle();
    waiting.clear();
  };
  return (message) => {
    if (socket.readyState !== socket.OPEN) return undefined;
    socket.send(message, onSent);
    return full() ? new Promise((resolve) => void waiting.add(resolve)) : undefined;
  };
}
