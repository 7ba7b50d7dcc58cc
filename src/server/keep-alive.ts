import type { WebSocket } from 'ws';

/** Pings, and drops a peer that has left a ping unanswered when the next is due: one that is frozen or cut off says no goodbye. */
export function keepAlive(socket: WebSocket, everyMs: number, onStalled: () => void): void {
  let answered = true;
  const timer = setInterval(() => {
    if (!answered) {
      onStalled();
      return socket.terminate();
    }
    answered = false;
    socket.ping();
  }, everyMs);
  socket.on('pong', () => {
    answered = true;
  });
  socket.once('close', () => clearInterval(timer));
}
