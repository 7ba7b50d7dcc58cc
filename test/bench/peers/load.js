// Asks one GraphQL server after the other, over keep-alive connections, by autocannon. Commands come by messages:
//   { prepare: NAME, url, query, authorizations[], users, kind }
//   { run: NAME, connections, seconds }  →  { answers, seconds, p50, p99 }
//   { run: NAME, connections, once: true }  →  the same, when every user was asked about once
// Every connection draws its questions at random, with a beginning of its own. Each answer must be 200, with data and no errors.
import autocannon from 'autocannon';
import { askOf } from '../point-asks.ts';

const targets = new Map();

/** Requests are put together when they are sent: all of them at once would be a hundred megabytes. */
function prepare({ prepare: name, url, query, authorizations, users, kind }) {
  const { host } = new URL(url);
  const heads = (authorizations.length > 0 ? authorizations : [undefined]).map((authorization) =>
    [
      'POST /graphql HTTP/1.1',
      `Host: ${host}`,
      'Connection: keep-alive',
      'Accept: application/json',
      'Content-Type: application/json',
      ...(authorization ? [`Authorization: ${authorization}`] : []),
      'Content-Length: ',
    ].join('\r\n'),
  );
  const bodyHead = `{"query":${JSON.stringify(query)},"variables":`;
  targets.set(name, {
    url,
    users,
    request(index) {
      const { variables, caller } = askOf(index, kind);
      const body = `${bodyHead}${JSON.stringify(variables)}}`;
      return `${heads[caller] ?? heads[0]}${body.length}\r\n\r\n${body}`;
    },
  });
}

/** xorshift32 */
function randomFrom(seed) {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

let turns = 1;
async function run({ run: name, connections, seconds, once }) {
  const { url, users, request } = targets.get(name);
  const latencies = [];
  let wrong;
  let next = 0;
  const shot = autocannon({
    url: `${url}/graphql`,
    connections,
    ...(once ? { amount: users } : { duration: seconds }),
    setupClient(client) {
      turns += 1;
      const random = randomFrom((turns * 2_654_435_761) | 1);
      client.getRequestBuffer = () => request(once ? next++ % users : random(users));
    },
    verifyBody(body) {
      const isRight = body.startsWith('{"data":{') && !body.includes('"errors"');
      if (!isRight) wrong ??= body;
      return isRight;
    },
  });
  shot.on('response', (_client, _status, _bytes, ms) => latencies.push(ms));
  const { duration, errors, timeouts, non2xx, mismatches } = await shot;
  if (errors + timeouts + non2xx + mismatches > 0)
    throw new Error(`${name}: ${errors} errors, ${timeouts} time-outs, ${non2xx} not 200, ${mismatches} wrong, for instance ${wrong}`);
  latencies.sort((a, b) => a - b);
  const at = (q) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * q))];
  return { answers: latencies.length, seconds: duration, p50: at(0.5), p99: at(0.99) };
}

process.on('message', async (command) => {
  try {
    const done = command.run ? await run(command) : prepare(command);
    process.send({ done: done ?? null });
  } catch (error) {
    process.send({ failed: String(error?.message ?? error) });
  }
});
