import type { IncomingMessage } from 'node:http';

/** The raw body, or null as soon as it is longer than `limitBytes`; what is left of it is not read. */
export async function readBody(req: IncomingMessage, limitBytes: number): Promise<Buffer | null> {
  if (Number(req.headers['content-length'] ?? 0) > limitBytes) return null;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > limitBytes) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
