// Pings, and drops a peer that has left a ping unanswered when the next is due: one that is frozen or cut off says no goodbye.
// Each socket has its turn within `everyMs`, a few at a time, by one timer for all of them.
import type { WebSocket } from 'ws';

export interface KeepAlive {
  /** Until what is returned is called. */
  watch(socket: WebSocket, onStalled: () => void): () => void;
}

interface Peer {
  socket: WebSocket;
  answered: boolean;
  onStalled: () => void;
}

const TURNS = 16;

export function createKeepAlive(everyMs: number): KeepAlive {
  const turns = Array.from({ length: TURNS }, () => new Set<Peer>());
  let turn = 0;
  let watched = 0;
  let timer: NodeJS.Timeout | undefined;

  function takeTurn(): void {
    turn = (turn + 1) % TURNS;
    for (const peer of turns[turn] ?? []) {
      if (peer.answered) {
        peer.answered = false;
        peer.socket.ping();
      } else {
        peer.onStalled();
        peer.socket.terminate();
      }
    }
  }

  return {
    watch(socket, onStalled) {
      const peer: Peer = { socket, answered: true, onStalled };
      // The one that comes last: a peer has a whole round before its first ping.
      const mine = turns[turn] as Set<Peer>;
      mine.add(peer);
      socket.on('pong', () => {
        peer.answered = true;
      });
      watched += 1;
      timer ??= setInterval(takeTurn, everyMs / TURNS);
      return () => {
        if (!mine.delete(peer)) return;
        watched -= 1;
        if (watched > 0) return;
        clearInterval(timer);
        timer = undefined;
      };
    },
  };
}
