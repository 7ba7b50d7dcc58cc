// Loaded before every test file: a file that leaves a server, socket or child process behind fails. Loops and clients that
// were not stopped show up as their sockets.

import { setTimeout as delay } from 'node:timers/promises';
import { afterAll } from 'vitest';

const WATCHED = ['TCPServerWrap', 'TCPSocketWrap', 'TLSWrap', 'ProcessWrap'];
/** Kept-alive connections of fetch close by themselves within 4 s. */
const GRACE_MS = 6_000;

const open = (): string[] =>
  process
    .getActiveResourcesInfo()
    .filter((kind) => WATCHED.includes(kind))
    .sort();
const before = open();

afterAll(async () => {
  for (let waitedMs = 0; waitedMs < GRACE_MS && open().length > before.length; waitedMs += 50) await delay(50);
  const left = open();
  if (left.length > before.length) {
    throw new Error(`This test file left something open: ${left.join(', ')}${before.length > 0 ? ` (before: ${before.join(', ')})` : ''}`);
  }
}, GRACE_MS + 5_000);
