import { describe, expect, it } from 'vitest';
import { nextCompanyEvents } from '../../src/fake-workos/company.ts';
import { COMPANY_CATALOG } from '../../src/fake-workos/company-catalog.ts';
import { foundCompany } from '../../src/fake-workos/company-founding.ts';
import { DIRECTORIES } from '../../src/fake-workos/company-plan.ts';
import { createLedger } from '../../src/fake-workos/ledger.ts';
import { createPublisher } from '../../src/fake-workos/publisher.ts';
import { createRandom } from '../../src/lib/random.ts';

const START_MS = Date.parse('2026-01-01T00:00:00Z');

function live(seed: number, steps: number) {
  let nowMs = START_MS;
  const random = createRandom(seed);
  const ledger = createLedger();
  const publish = createPublisher({ ledger, webhooks: null, store: null, random, clock: () => nowMs, keepEvents: null });
  for (const event of foundCompany(random, nowMs)) publish(event);
  const headcounts = [ledger.truth().users.size];
  for (let step = 0; step < steps; step += 1) {
    nowMs += 1_000;
    for (const event of nextCompanyEvents(ledger.truth(), random, nowMs)) publish(event);
    headcounts.push(ledger.truth().users.size);
  }
  return { ledger, headcounts };
}

describe('the living company', () => {
  it('has about forty people in three directories long before the Events API begins', () => {
    const { ledger } = live(1, 0);
    const truth = ledger.truth();
    expect([truth.organizations.size, truth.directories.size, truth.users.size]).toEqual([2, 3, 42]);
    expect([...truth.users.keys()].every((id) => truth.groupsOf(id).length > 0)).toBe(true);
    expect(ledger.stream.events().every(({ created_at }) => Date.parse(created_at) < START_MS - 31 * 86_400_000)).toBe(true);
  });

  it('does everything that a company does, and neither dies out nor explodes', () => {
    const { ledger, headcounts } = live(2, 3_000);
    expect(Math.min(...headcounts)).toBeGreaterThan(15);
    expect(Math.max(...headcounts)).toBeLessThan(90);
    const events = ledger.stream.events();
    const states = events.filter(({ event }) => event === 'dsync.user.updated').map(({ data }) => (data as { state: string }).state);
    expect(new Set(states)).toEqual(new Set(['active', 'inactive', 'suspended']));
    expect([...new Set(events.map(({ event }) => event))].sort()).toEqual([
      'dsync.activated',
      'dsync.group.created',
      'dsync.group.deleted',
      'dsync.group.updated',
      'dsync.group.user_added',
      'dsync.group.user_removed',
      'dsync.user.created',
      'dsync.user.deleted',
      'dsync.user.updated',
      'organization.created',
    ]);
  });

  it('never gives two people one address, and lives the same life from the same seed', () => {
    const { ledger } = live(3, 500);
    const emails = [...ledger.truth().users.values()].map(({ email }) => email);
    expect(new Set(emails).size).toBe(emails.length);
    expect(emails.every((email) => email?.endsWith('@fake-company.example'))).toBe(true);
    expect(live(3, 500).ledger.stream.events()).toEqual(ledger.stream.events());
    expect(live(4, 500).ledger.stream.events()).not.toEqual(ledger.stream.events());
  });

  it('stands still when somebody has deleted its directories', () => {
    const { ledger } = live(5, 0);
    const data = { name: 'x', type: 'x', state: 'deleting', created_at: '2026-01-01T00:00:00Z', updated_at: '2026-01-01T00:00:00Z' };
    for (const [index, { id }] of DIRECTORIES.entries())
      ledger.add({ id: `event_Z${index}`, event: 'dsync.deleted', data: { ...data, id }, created_at: data.created_at }, 0, true);
    expect(nextCompanyEvents(ledger.truth(), createRandom(1), START_MS)).toEqual([]);
  });

  it('has a catalog that maps its groups to roles that exist, each group once', () => {
    const slugs = new Set(COMPANY_CATALOG.roles.map(({ slug }) => slug));
    const mapped = COMPANY_CATALOG.groupMappings.map(({ organizationId, groupName }) => `${organizationId} ${groupName}`);
    expect(COMPANY_CATALOG.groupMappings.flatMap(({ roles }) => roles).filter((slug) => !slugs.has(slug))).toEqual([]);
    expect(new Set(mapped).size).toBe(mapped.length);
    for (const { organizationId, departments, circles } of DIRECTORIES) {
      for (const name of [...departments, ...circles]) expect(mapped).toContain(`${organizationId} ${name}`);
    }
  });
});
