// What all commands to a running service have in common: where it is, the key to ask with, how to answer.
import { type Command, InvalidArgumentError } from 'commander';
import type { Endpoint } from './graphql-request.ts';

/** As parsed. */
export interface OperatorFlags {
  url: string;
  json: boolean;
}

/** The key to ask with. Throws a StartError when there is none. */
export type FindKey = () => string;

export interface OperatorCommand {
  /** Name and arguments, as commander wants them. */
  usage: string;
  description: string;
  /** Without the name of the binary. */
  examples: readonly string[];
}

export function operatorCommand(parent: Command, { usage, description, examples }: OperatorCommand): Command {
  const lines = examples.map((example) => `  ADMIN_API_KEY=… access-service ${example}`);
  return parent
    .command(usage)
    .description(description)
    .option('--url <url>', 'of the running service', 'http://127.0.0.1:4000')
    .option('--json', 'machine-readable output', false)
    .addHelpText('after', `\nADMIN_API_KEY is the key to ask with.\n\nExamples:\n${lines.join('\n')}`);
}

export const endpointOf = ({ url }: OperatorFlags, key: FindKey): Endpoint => ({ url, key: key() });

/** For an option that is a whole number. */
export function whole(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

/** For an option that may be given several times, or with commas. */
export const several = (text: string, before: readonly string[] = []): string[] => [
  ...before,
  ...text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== ''),
];

/** For an option that is a moment, in ISO 8601 with its zone. */
export function moment(text: string): string {
  const at = new Date(/(Z|[+-]\d\d:\d\d)$/.test(text) ? text : Number.NaN);
  if (Number.isNaN(at.getTime())) throw new InvalidArgumentError('It must be a moment such as 2027-01-31T09:00:00Z.');
  return at.toISOString();
}
