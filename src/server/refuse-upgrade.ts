// A WebSocket that is not to be: a plain HTTP answer with the reason, and the connection ends.
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { AccessError } from '../errors.ts';
import { refusalHeaders, statusOf } from './respond.ts';

export function refuseUpgrade(socket: Duplex, error: unknown): void {
  const { code, message, details } =
    error instanceof AccessError ? error : new AccessError('INTERNAL', 'Something went wrong on our side.');
  const status = statusOf(code);
  const body = JSON.stringify({ errors: [{ message, extensions: { ...details, code } }] });
  const headers = {
    Connection: 'close',
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    ...refusalHeaders(code, details),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  socket.once('finish', () => socket.destroy());
  socket.end([`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', body].join('\r\n'));
}
