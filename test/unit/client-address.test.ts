// Who sent a request, as far as that can be known.
import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { createAddressList, isAddressRange } from '../../src/lib/address-list.ts';
import { addressKey, createAddressOf } from '../../src/server/client-address.ts';

const from = (trusted: string[], peer: string, forwarded?: string) => {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
  return createAddressOf(trusted)({ socket: { remoteAddress: peer }, headers } as unknown as IncomingMessage);
};

test.each<[string, string[], string, string | undefined, string]>([
  ['without proxies the header proves nothing', [], '198.51.100.7', '203.0.113.1', '198.51.100.7'],
  ['a peer that is no proxy of ours neither', ['10.0.0.0/8'], '198.51.100.7', '203.0.113.1', '198.51.100.7'],
  ['the entry that our proxy wrote counts', ['10.0.0.0/8'], '10.1.2.3', '203.0.113.1', '203.0.113.1'],
  ['what stands before it was written by the client', ['10.0.0.0/8'], '10.1.2.3', '127.0.0.1, 203.0.113.1', '203.0.113.1'],
  ['proxies behind proxies are passed over', ['10.0.0.0/8'], '10.1.2.3', '6.6.6.6, 203.0.113.1, 10.9.9.9 ', '203.0.113.1'],
  ['a header of our own proxies alone ends at the first of them', ['10.0.0.0/8'], '10.1.2.3', '10.9.9.9', '10.9.9.9'],
  ['a proxy that says nothing asks for itself', ['10.0.0.0/8'], '10.1.2.3', undefined, '10.1.2.3'],
  ['nor is nonsense an address', ['10.0.0.0/8'], '10.1.2.3', '6.6.6.6, unknown', '10.1.2.3'],
  ['an IPv4 peer of a dual-stack socket is one', ['10.0.0.0/8'], '::ffff:10.1.2.3', '203.0.113.1', '203.0.113.1'],
  ['ports are cut off', ['::1'], '::1', '203.0.113.1:4711', '203.0.113.1'],
  ['brackets as well', ['::1'], '::1', '[2001:db8::1]:4711', '2001:db8::1'],
])('%s', (_what, trusted, peer, forwarded, expected) => expect(from(trusted, peer, forwarded)).toBe(expected));

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8:1:2::1', '2001:db8:1:2'],
  ['2001:DB8:0001:2:ffff::', '2001:db8:1:2'],
  ['2001:db8::1', '2001:db8:0:0'],
  ['::1', '0:0:0:0'],
  ['', ''],
])('%s counts as %s', (address, key) => expect(addressKey(address)).toBe(key));

describe('lists of addresses', () => {
  test.each(['10.0.0.0/8', '192.0.2.7', '::1', '2001:db8::/32', '0.0.0.0/0'])('%s is one', (text) =>
    expect(isAddressRange(text)).toBe(true),
  );
  test.each([
    '',
    'localhost',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0/8',
    '::1/129',
    '10.0.0.0/8/8',
    'fe80::1%eth0',
    '10.0.0.0/-1',
    '01.2.3.4',
  ])('"%s" is none', (text) => expect(isAddressRange(text)).toBe(false));
  test('have what is in their ranges, of either family', () => {
    const list = createAddressList(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32']);
    for (const address of ['10.255.0.1', '192.0.2.7', '2001:db8:ffff::1', '::ffff:10.0.0.1'])
      expect([address, list.has(address)]).toEqual([address, true]);
    for (const address of ['11.0.0.1', '192.0.2.8', '2001:db9::1', '', 'nonsense'])
      expect([address, list.has(address)]).toEqual([address, false]);
  });
});
