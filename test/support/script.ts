// The command line of a script for developers, as the binary's: help on request, and for a wrong line what is wrong with it, how
// the script is used, and exit code 2.
import { Command, InvalidArgumentError } from 'commander';

/** `usage`: how the script is started. */
export const script = (usage: string, description: string): Command =>
  new Command(usage)
    .description(description)
    .showHelpAfterError()
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));

/** For an option that is a number of at least `least`. */
export const numberFrom =
  (least: number, { whole = true } = {}) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && value >= least && (whole ? Number.isSafeInteger(value) : Number.isFinite(value))) return value;
    throw new InvalidArgumentError(`It must be a ${whole ? 'whole ' : ''}number, ${least} or more.`);
  };
