// Pure: the life of the company. From what is the case, chance and the time, what happens next: people are hired, move,
// are promoted, fall ill and come back, leave; teams come, change their names and go. One thing may take several events.
import type { Random } from '../lib/random.ts';
import type { Happening, View } from './company-happenings.ts';
import * as happenings from './company-happenings.ts';
import { isEmailTakenIn } from './company-objects.ts';
import { DIRECTORIES, type PlannedDirectory } from './company-plan.ts';
import type { NewEvent } from './history.ts';
import type { Truth } from './truth.ts';

const ATTEMPTS = 40;

/** Empty only when nothing can happen any more, because somebody deleted every directory of the company. */
export function nextCompanyEvents(truth: Truth, random: Random, nowMs: number): NewEvent[] {
  const directories = DIRECTORIES.filter((directory) => truth.directories.has(directory.id));
  if (directories.length === 0) return [];
  const bySize = directories.map((directory): [PlannedDirectory, number] => [directory, directory.headcount]);
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const view = viewOf(truth, pickWeighted(random, bySize), random, nowMs);
    const happening = pickWeighted(random, weigh(view));
    const events = happening(view);
    if (events.length > 0) return events;
  }
  return happenings.hire(viewOf(truth, pickWeighted(random, bySize), random, nowMs));
}

/** How likely each thing is; hiring and leaving hold each other's balance at the planned headcount. */
function weigh({ active, away, directory }: View): [Happening, weight: number][] {
  const fullness = (active.length + away.length) / directory.headcount;
  return [
    [happenings.hire, 12 / Math.max(fullness, 0.2)],
    [happenings.letGo, 12 * fullness],
    [happenings.move, 18],
    [happenings.rotateOnCall, 12],
    [happenings.joinTeam, 16],
    [happenings.leaveTeam, 6],
    [happenings.promote, 6],
    [happenings.suspend, 7],
    [happenings.reactivate, 10],
    [happenings.createTeam, 4],
    [happenings.renameTeam, 3],
    [happenings.deleteTeam, 3],
    [happenings.marry, 3],
  ];
}

function pickWeighted<T>(random: Random, table: readonly (readonly [T, weight: number])[]): T {
  let ticket = random.next() * table.reduce((sum, [, weight]) => sum + weight, 0);
  const chosen = table.find(([, weight]) => {
    ticket -= weight;
    return ticket < 0;
  });
  return (chosen ?? (table.at(-1) as readonly [T, number]))[0];
}

function viewOf(truth: Truth, directory: PlannedDirectory, random: Random, nowMs: number): View {
  const users = [...truth.users.values()].filter((user) => user.directory_id === directory.id);
  const groups = [...truth.groups.values()].filter((group) => group.directory_id === directory.id);
  return {
    random,
    nowMs,
    isEmailTaken: isEmailTakenIn(truth),
    truth,
    directory,
    active: users.filter((user) => user.state === 'active'),
    away: users.filter((user) => user.state !== 'active'),
    groups: new Map(groups.map((group) => [group.name, group])),
    teams: groups.filter((group) => group.name.startsWith('team-')),
  };
}
