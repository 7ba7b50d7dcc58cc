// Which traces of senders are taken over, and where the spans of an event stand.
import { expect, test } from 'vitest';
import { parseTraceparent } from '../../src/model/traceparent.ts';
import { createSpanIds, firstSpanIdOf } from '../../src/observability/span-ids.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

test.each<[string, string | undefined, boolean]>([
  ['none', undefined, false],
  ['a sound one', `00-${TRACE}-${SPAN}-01`, true],
  ['one that is not sampled', `00-${TRACE}-${SPAN}-00`, true],
  ['a later version with more', `01-${TRACE}-${SPAN}-01-more`, true],
  ['version ff', `ff-${TRACE}-${SPAN}-01`, false],
  ['a trace of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`, false],
  ['a span of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`, false],
  ['capitals', `00-${TRACE.toUpperCase()}-${SPAN}-01`, false],
  ['one that is cut', `00-${TRACE}-${SPAN}`, false],
  ['one that is too long', `00-${TRACE}0-${SPAN}-01`, false],
  ['nonsense', "'; DROP TABLE directory_event", false],
])('%s', (_what, header, taken) => {
  expect(parseTraceparent(header)).toEqual(taken ? { traceId: TRACE, spanId: SPAN } : null);
});

test('the first span of an event follows from its trace, and is never of zeros', () => {
  expect(firstSpanIdOf(TRACE)).toBe('4bf92f3577b34da6');
  expect(firstSpanIdOf(`${'0'.repeat(16)}a3ce929d0e0e4736`)).toBe('a3ce929d0e0e4736');
});

test('ids are planted for one span, and random for all others', () => {
  const ids = createSpanIds();
  const both = () => ({ traceId: ids.generateTraceId(), spanId: ids.generateSpanId() });
  expect(ids.as({ traceId: TRACE, spanId: SPAN }, both)).toEqual({ traceId: TRACE, spanId: SPAN });
  expect(() =>
    ids.as({ traceId: TRACE, spanId: SPAN }, () => {
      throw new Error('planted');
    }),
  ).toThrow('planted');
  const [a, b] = [both(), both()];
  expect(a.traceId).toMatch(/^[0-9a-f]{32}$/);
  expect(a.spanId).toMatch(/^[0-9a-f]{16}$/);
  expect(new Set([a.traceId, b.traceId, TRACE]).size).toBe(3);
});
