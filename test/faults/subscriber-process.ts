// A consumer of the feed as a process of its own: prints what it receives, a line each. Arguments: URL, key, organization or "".
import { followByClient } from './subscriber.ts';

const [url = '', key = '', organizationId = ''] = process.argv.slice(2);
const { received, failure } = followByClient({ name: 'process', url, key, organizationId: organizationId || null });
// Whoever started it is gone.
process.stdin.resume().on('end', () => process.exit(0));
let printed = 0;
setInterval(() => {
  while (printed < received.length) {
    process.stdout.write(`${JSON.stringify(received[printed])}\n`);
    printed += 1;
  }
  const failed = failure();
  if (failed !== null) {
    process.stderr.write(failed);
    process.exit(1);
  }
}, 20);
