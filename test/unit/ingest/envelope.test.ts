import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type IncomingEvent, readBody, readElement, readEnvelope } from '../../../src/ingest/envelope.ts';

const receivedAt = new Date('2026-03-01T00:00:00Z');
const ID = 'event_01HZZZZZZZ0000000000000001';
const envelope = (over: Record<string, unknown>) =>
  JSON.stringify({ object: 'event', id: ID, event: 'dsync.user.created', data: {}, created_at: '2024-06-01T10:00:00.000Z', ...over });
const read = (over: Record<string, unknown>) => readEnvelope(envelope(over), receivedAt);
const subject = ({ partition, organizationId, directoryId, userId, groupId }: IncomingEvent) => ({
  partition,
  organizationId,
  directoryId,
  userId,
  groupId,
});

describe('whom an event is about', () => {
  const cases: [string, unknown, ReturnType<typeof subject>][] = [
    [
      'dsync.user.updated',
      { id: 'u1', directory_id: 'd1', organization_id: 'o1' },
      { partition: 'o1', organizationId: 'o1', directoryId: 'd1', userId: 'u1', groupId: null },
    ],
    [
      'dsync.user.updated',
      { id: 'u1', directory_id: 'd1', organization_id: null },
      { partition: 'd1', organizationId: null, directoryId: 'd1', userId: 'u1', groupId: null },
    ],
    [
      'dsync.group.deleted',
      { id: 'g1', directory_id: 'd1', organization_id: 'o1' },
      { partition: 'o1', organizationId: 'o1', directoryId: 'd1', userId: null, groupId: 'g1' },
    ],
    [
      'dsync.group.user_added',
      { directory_id: 'd1', user: { id: 'u1', organization_id: 'o1' }, group: { id: 'g1' } },
      { partition: 'o1', organizationId: 'o1', directoryId: 'd1', userId: 'u1', groupId: 'g1' },
    ],
    [
      'dsync.group.user_removed',
      { user: { id: 'u1' }, group: { id: 'g1', directory_id: 'd1', organization_id: 'o1' } },
      { partition: 'o1', organizationId: 'o1', directoryId: 'd1', userId: 'u1', groupId: 'g1' },
    ],
    [
      'dsync.activated',
      { id: 'd1', organization_id: 'o1' },
      { partition: 'o1', organizationId: 'o1', directoryId: 'd1', userId: null, groupId: null },
    ],
    ['dsync.deleted', { id: 'd1' }, { partition: 'd1', organizationId: null, directoryId: 'd1', userId: null, groupId: null }],
    [
      'dsync.token.revoked',
      { id: 't1', directory_id: 'd1', organization_id: 'o1' },
      { partition: 'o1', organizationId: 'o1', directoryId: 'd1', userId: null, groupId: null },
    ],
    ['organization.updated', { id: 'o1' }, { partition: 'o1', organizationId: 'o1', directoryId: null, userId: null, groupId: null }],
    [
      'organization_role.created',
      { organization_id: 'o1', slug: 's' },
      { partition: 'o1', organizationId: 'o1', directoryId: null, userId: null, groupId: null },
    ],
    [
      'role.created',
      { slug: 's', organization_id: 'o1' },
      { partition: 'environment', organizationId: null, directoryId: null, userId: null, groupId: null },
    ],
    [
      'permission.updated',
      { slug: 's' },
      { partition: 'environment', organizationId: null, directoryId: null, userId: null, groupId: null },
    ],
    [
      'something.new',
      { id: 'x1', organization_id: 'o1' },
      { partition: 'o1', organizationId: 'o1', directoryId: null, userId: null, groupId: null },
    ],
    [
      'dsync.user.created',
      'not an object',
      { partition: 'environment', organizationId: null, directoryId: null, userId: null, groupId: null },
    ],
    [
      'dsync.user.created',
      { id: 7, directory_id: 'd\0', organization_id: '\ud800' },
      { partition: 'environment', organizationId: null, directoryId: null, userId: null, groupId: null },
    ],
  ];
  it.each(cases)('%s %j', (event, data, expected) => {
    const incoming = read({ event, data });
    expect(subject(incoming)).toEqual(expected);
    expect(incoming.refusal).toBeNull();
  });
});

describe('when it happened', () => {
  it.each([
    ['2024-06-01T10:00:00.123Z', '2024-06-01T10:00:00.123Z'],
    ['2023-04-28 20:05:31.093', '2023-04-28T20:05:31.093Z'],
    ['2023-04-28T20:05:31', '2023-04-28T20:05:31.000Z'],
    ['2024-06-01T12:00:00+02:00', '2024-06-01T10:00:00.000Z'],
    ['2024-06-01T10:00:00.123456Z', '2024-06-01T10:00:00.123Z'],
  ])('%s is UTC', (created_at, expected) => {
    expect(read({ created_at })).toMatchObject({ refusal: null, occurredAt: new Date(expected) });
  });

  it.each([[undefined], [null], [17], [''], ['yesterday'], ['2024-13-01T00:00:00Z'], ['0000-01-01T00:00:00Z'], ['2024-06-01']])(
    '%j is refused, and the id tells the time',
    (created_at) => {
      const event = read({ created_at });
      expect(event.refusal).toContain('created_at');
      expect(event.id).toBe(ID);
      expect(event.occurredAt.getUTCFullYear()).toBe(2024);
    },
  );
});

describe('an unusable envelope is kept with its reason', () => {
  it.each([
    ['not json', 'is not JSON'],
    ['', 'is not JSON'],
    ['[]', 'is not a JSON object'],
    ['null', 'is not a JSON object'],
    [envelope({ id: 'event_1' }), 'id is not of the form'],
    [envelope({ id: undefined }), 'id is not of the form'],
    [envelope({ event: '' }), 'no usable event type'],
    [envelope({ event: 'a\0b' }), 'no usable event type'],
  ])('%j', (raw, reason) => {
    const event = readEnvelope(raw, receivedAt);
    expect(event.refusal).toContain(reason);
    expect(event.raw).toBe(raw);
    expect(event.id).toMatch(raw.includes(ID) ? /^event_/ : /^invalid_[0-9a-f]{64}$/);
  });

  it('the same text has the same id, another text another', () => {
    expect(readEnvelope('x', receivedAt).id).toBe(readEnvelope('x', new Date(0)).id);
    expect(readEnvelope('x', receivedAt).id).not.toBe(readEnvelope('y', receivedAt).id);
  });

  it('bytes that are no text are kept as base64', () => {
    for (const body of [Buffer.from([0x7b, 0xff, 0x7d]), Buffer.from('{"a":"\0"}')]) {
      const event = readBody(body, receivedAt);
      expect(event.refusal).toContain('not UTF-8');
      expect(Buffer.from((JSON.parse(event.raw) as { unreadable_base64: string }).unreadable_base64, 'base64')).toEqual(body);
    }
  });

  it('an element nested too deeply to be written keeps its id', () => {
    const element = JSON.parse(`{"id":"${ID}","event":"dsync.user.created","data":${'['.repeat(50_000)}${']'.repeat(50_000)}}`) as unknown;
    expect(readElement(element, { receivedAt, mangled: false })).toMatchObject({ id: ID, refusal: expect.stringContaining('too deeply') });
  });

  it('in a mangled page only what was mangled is refused', () => {
    const whole = JSON.parse(envelope({ data: { id: 'u1' } })) as unknown;
    const broken = JSON.parse(envelope({ data: { id: 'u1', first_name: 'Ren\ufffd' } })) as unknown;
    expect(readElement(whole, { receivedAt, mangled: true }).refusal).toBeNull();
    expect(readElement(broken, { receivedAt, mangled: true }).refusal).toContain('not UTF-8');
    expect(readElement(broken, { receivedAt, mangled: false }).refusal).toBeNull();
  });
});

describe('any input', () => {
  const storable = (event: IncomingEvent) => {
    for (const text of [
      event.id,
      event.type,
      event.partition,
      event.organizationId,
      event.directoryId,
      event.userId,
      event.groupId,
      event.raw,
      event.refusal,
    ]) {
      if (text === null) continue;
      expect(text.includes('\0')).toBe(false);
      expect(text.isWellFormed()).toBe(true);
    }
    expect(event.id.length).toBeGreaterThan(0);
    expect(event.partition.length).toBeGreaterThan(0);
    expect(event.occurredAt.getTime()).toBeGreaterThanOrEqual(0);
  };
  const shaped = fc.record(
    {
      id: fc.oneof(fc.constant(ID), fc.string({ unit: 'binary' }), fc.jsonValue()),
      event: fc.oneof(
        fc.constantFrom('dsync.user.created', 'organization.created', 'dsync.group.user_added', '__proto__'),
        fc.string({ unit: 'binary' }),
      ),
      created_at: fc.oneof(
        fc.date({ noInvalidDate: true }).map((d) => d.toJSON()),
        fc.string(),
        fc.jsonValue(),
      ),
      data: fc.oneof(
        fc.dictionary(
          fc.constantFrom('id', 'directory_id', 'organization_id', 'user', 'group'),
          fc.oneof(fc.string({ unit: 'binary' }), fc.jsonValue()),
        ),
        fc.jsonValue(),
      ),
    },
    { requiredKeys: [] },
  );

  it('any JSON becomes a storable event', () => {
    fc.assert(
      fc.property(fc.oneof(shaped, fc.jsonValue()), fc.boolean(), (element, mangled) =>
        storable(readElement(element, { receivedAt, mangled })),
      ),
    );
  });
  it('any text becomes a storable event', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (raw) => storable(readEnvelope(raw, receivedAt))));
  });
  it('any bytes become a storable event', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => storable(readBody(Buffer.from(bytes), receivedAt))));
  });
});
