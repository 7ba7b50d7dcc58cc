// Whose request is it? The peer's address, unless the peer is a proxy of ours (TRUSTED_PROXIES): then the last entry of
// X-Forwarded-For that is not one. Entries further left were written by whoever sent the request and prove nothing.
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { createAddressList } from '../lib/address-list.ts';
import { briefly } from '../lib/briefly.ts';

export type AddressOf = (req: IncomingMessage) => string;

export function createAddressOf(trustedProxies: readonly string[]): AddressOf {
  const trusted = createAddressList(trustedProxies);
  return (req) => {
    let address = plain(req.socket.remoteAddress ?? '');
    if (!trusted.has(address)) return address;
    const hops = String(req.headers['x-forwarded-for'] ?? '').split(',');
    while (trusted.has(address)) {
      const next = plain(hops.pop()?.trim() ?? '');
      if (isIP(next) === 0) break; // the proxy itself asks, or it wrote something that is no address
      address = next;
    }
    return address;
  };
}

/** A dual-stack socket shows IPv4 peers as ::ffff:192.0.2.1; some proxies append a port. */
const plain = briefly((address) =>
  address
    .replace(/^::ffff:(?=\d+\.)/i, '')
    .replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1')
    .replace(/^\[(.+)\](:\d+)?$/, '$1'),
);

/** What limits count by: one subscriber of IPv6 has a whole /64 to send from. */
export function addressKey(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = '', tail = ''] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  const behind = tail === '' ? 0 : tail.split(':').length;
  const filled = address.includes('::')
    ? [...groups, ...Array(Math.max(0, 8 - groups.length - behind)).fill('0'), ...tail.split(':')]
    : groups;
  return filled
    .slice(0, 4)
    .map((group) => Number.parseInt(group || '0', 16).toString(16))
    .join(':');
}
