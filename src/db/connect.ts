// One plain connection for the steps before the pool exists. A database that does not answer, or refuses us, becomes a
// sentence that names the place and never the password.
import pg from 'pg';
import { messageOf, StartError } from '../errors.ts';

const CONNECT_TIMEOUT_MS = 10_000;

export async function connect(url: string, applicationName: string): Promise<pg.Client> {
  const place = placeOf(url);
  let client: pg.Client;
  try {
    client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS, application_name: applicationName });
    // The loss of the connection shows in the query that needs it.
    client.on('error', () => {});
    await client.connect();
  } catch (error) {
    throw new StartError(`${sentence(place, error)} Correct DATABASE_URL, or leave it out to run the embedded Postgres.`, { cause: error });
  }
  return client;
}

/** host:port/database of a connection string, without account and password. */
export function placeOf(url: string): string {
  try {
    const { hostname, port, pathname, searchParams } = new URL(url);
    return `${searchParams.get('host') ?? (hostname || 'localhost')}:${port || 5432}${decodeURI(pathname)}`;
  } catch {
    return 'an address that cannot be read';
  }
}

function sentence(place: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === '28P01' || code === '28000') return `The database at ${place} refuses the account or password.`;
  if (code === '3D000') return `The database at ${place} does not exist: create it first.`;
  if (code === '53300') return `The database at ${place} has no connection left for us.`;
  return `The database at ${place} does not answer (${reason(error)}).`;
}

/** Trying several addresses of one host fails with an AggregateError, whose own message is empty. */
const reason = (error: unknown): string => (error instanceof AggregateError ? error.errors.map(messageOf).join(', ') : messageOf(error));
