import type { IncomingMessage } from 'node:http';

/** The raw body, or null as soon as it is longer than `limitBytes`; what is left of it is not read. */
export function readBody(req: IncomingMessage, limitBytes: number): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    if (Number(req.headers['content-length'] ?? 0) > limitBytes) return resolve(null);
    const chunks: Buffer[] = [];
    let length = 0;
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      if (length > limitBytes) {
        req.off('data', onData).pause();
        resolve(null);
      } else {
        chunks.push(chunk);
      }
    };
    req.on('data', onData);
    req.once('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    req.once('error', reject);
    // A request that was cut off before anybody listened to it.
    if (req.destroyed) reject(new Error('the request was cut off'));
  });
}
