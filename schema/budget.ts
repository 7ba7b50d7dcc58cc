// How many rows one operation may ask for. Pages within pages multiply: 500 users with 500 groups with 500 members each are
// 125 million rows that no limit on the document sees. Refused before anything is read.
import { AccessError } from '../src/errors.ts';

const MAX_ROWS = 50_000;

export interface Budget {
  spend(rows: number): void;
}

export function createBudget(): Budget {
  let left = MAX_ROWS;
  return {
    spend(rows) {
      left -= rows;
      if (left < 0)
        throw new AccessError(
          'BAD_USER_INPUT',
          `The pages of this operation add up to more than ${MAX_ROWS} rows. Ask for less at a time.`,
        );
    },
  };
}
