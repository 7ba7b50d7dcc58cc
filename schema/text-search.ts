/** Conditions for "contains this text, in any case". Prisma does not escape what LIKE takes for a wildcard. */
export const textSearch = <C extends string>(columns: readonly C[], text: string) =>
  columns.map((column) => ({ [column]: { contains: text.replace(/[\\%_]/g, '\\$&'), mode: 'insensitive' as const } }));
