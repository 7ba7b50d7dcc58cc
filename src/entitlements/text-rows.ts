// Rows that Postgres puts together as one text: what separates them. JSON text has no raw control characters, and nothing else
// that a column may hold goes in unless it is made JSON.
export const FIELD = '\u001f';
export const LINE = '\u001e';
