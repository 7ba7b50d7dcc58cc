// Which quiet is a silence, and which missing token is one.
import { expect, test } from 'vitest';
import { type ActiveHour, silentSince } from '../../../src/ops/health-silence.ts';
import { type TokenEvent, tokenRevokedSince } from '../../../src/ops/health-tokens.ts';

const HOUR_MS = 3_600_000;
// A Monday.
const START = new Date('2026-03-02T00:00:00Z').getTime();
const at = (day: number, hour: number): Date => new Date(START + (day * 24 + hour) * HOUR_MS);

/** Active in these hours of each of these days. */
const habit = (days: readonly number[], hours: readonly number[], events = 2): ActiveHour[] =>
  days.flatMap((day) => hours.map((hour) => ({ hour: at(day, hour), events })));
const workingHours = [8, 9, 10, 11, 12, 13, 14, 15, 16, 17];
const twoWeeks = [0, 1, 2, 3, 4, 7, 8, 9, 10, 11];
const allDay = Array.from({ length: 24 }, (_, hour) => hour);
const everyDay = Array.from({ length: 14 }, (_, day) => day);

test.each<[string, ActiveHour[], Date, Date | null]>([
  ['never active', [], at(14, 0), null],
  ['hardly ever active', habit([0, 2, 4, 6, 8, 10], [9], 1), at(40, 0), null],
  ['one burst, such as a first import', habit([0], [9], 5_000), at(20, 0), null],
  ['day and night, quiet for less than the least', habit(everyDay, allDay), at(14, 5), null],
  ['day and night, quiet for longer', habit(everyDay, allDay), at(14, 7), at(14, 0)],
  ['office hours, at night', habit(twoWeeks, workingHours), at(12, 4), null],
  ['office hours, over the weekend', habit(twoWeeks, workingHours), at(14, 7), null],
  ['office hours, a Monday and Tuesday without anything', habit(twoWeeks, workingHours), at(17, 0), at(11, 18)],
  ['quiet as long as once before', [...habit([0, 1, 2, 3, 4], workingHours), ...habit([13], workingHours)], at(20, 0), null],
])('%s', (_what, hours, now, since) => {
  expect(silentSince(hours, now, 6)).toEqual(since);
});

const created = (tokenId: string | null, hour: number): TokenEvent => ({ type: 'dsync.token.created', tokenId, occurredAt: at(0, hour) });
const revoked = (tokenId: string | null, hour: number): TokenEvent => ({ type: 'dsync.token.revoked', tokenId, occurredAt: at(0, hour) });

test.each<[string, TokenEvent[], Date | null]>([
  ['no token was ever told of', [], null],
  ['a new one', [created('a', 1)], null],
  ['one that was made before our time, revoked', [revoked('a', 2)], at(0, 2)],
  ['the only one, revoked', [created('a', 1), revoked('a', 2)], at(0, 2)],
  ['changed, the new one first', [created('a', 1), created('b', 2), revoked('a', 3)], null],
  ['changed, the old one first', [created('a', 1), revoked('a', 2), created('b', 3)], null],
  ['both revoked', [created('a', 1), created('b', 2), revoked('a', 3), revoked('b', 4)], at(0, 4)],
  ['an event that does not say which', [created('a', 1), revoked('a', 2), revoked(null, 3)], at(0, 3)],
])('token: %s', (_what, events, since) => {
  expect(tokenRevokedSince(events)).toEqual(since);
});
