/** What the fold writes together with every row that points at it: its absence is a fault of ours, not an answer. */
export function required<T>(what: string, row: T | undefined): T {
  if (row === undefined) throw new Error(`a row points at an ${what} that is not there`);
  return row;
}
