// Yoga's response onto Node's, with an end for whoever does not read: the stream is cancelled when the client goes, and a
// client that takes nothing for `stallTimeoutMs` is cut off. Never more than one chunk waits in memory.
import type { ServerResponse } from 'node:http';

export interface Patience {
  stallTimeoutMs: number;
  /** Called before a reader of a stream is cut off. */
  onStalled(): void;
}

export async function sendResponse(response: Response, res: ServerResponse, patience: Patience): Promise<void> {
  if (res.destroyed) {
    await response.body?.cancel();
    return;
  }
  res.statusCode = response.status;
  for (const [name, value] of response.headers) res.setHeader(name, value);
  // What is left of a request that was refused half read would be taken for the next one.
  if (!res.req.complete) res.setHeader('Connection', 'close');
  if (!isEventStream(res)) {
    res.setTimeout(patience.stallTimeoutMs, () => res.destroy());
    res.end(Buffer.from(await response.arrayBuffer()));
    return;
  }
  res.setHeader('X-Accel-Buffering', 'no');
  res.socket?.setNoDelay(true);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  res.once('close', () => void reader.cancel().catch(() => undefined));
  for (;;) {
    const { done, value } = await reader.read();
    if (res.destroyed) return;
    if (done) break;
    if (!res.write(value) && !(await drained(res, patience))) return;
  }
  res.end();
}

export const isEventStream = (res: ServerResponse): boolean => String(res.getHeader('content-type')).startsWith('text/event-stream');

/** false when the client is gone, or was sent away. */
function drained(res: ServerResponse, { stallTimeoutMs, onStalled }: Patience): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      onStalled();
      res.destroy();
    }, stallTimeoutMs);
    const settle = (open: boolean) => () => {
      clearTimeout(timer);
      res.off('drain', onDrain).off('close', onClose);
      resolve(open);
    };
    const onDrain = settle(true);
    const onClose = settle(false);
    res.once('drain', onDrain).once('close', onClose);
  });
}
