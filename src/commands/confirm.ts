// The question before access is taken away: answered by typing a word, never by a key that a finger may rest on. Where nobody
// can be asked it is a refusal.
import { createInterface } from 'node:readline/promises';
import { StartError } from '../errors.ts';

export const NOTHING_ALTERED = 'Nothing was altered.';

export const count = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;

/** `what` is a sentence. Throws a StartError that begins with it when there is no terminal. */
export async function confirmed(what: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new StartError(`${what} Give --yes to do it without being asked. ${NOTHING_ALTERED}`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(`${what} Type "revoke" to go on: `);
  terminal.close();
  return answer.trim() === 'revoke';
}
