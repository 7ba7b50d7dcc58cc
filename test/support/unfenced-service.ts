// `access-service` as it would be without the check of the lease in every transaction: the control of tests that freeze
// leaders. Arguments: the mode.
import { loadConfig, type Mode } from '../../src/config.ts';
import { armFailpoints } from '../../src/lib/failpoint.ts';
import { untilSignalled } from '../../src/lib/until-signalled.ts';
import { createLogger } from '../../src/log.ts';
import { startRuntime } from '../../src/runtime.ts';

const config = loadConfig(process.env, process.argv[2] as Mode);
armFailpoints(config.failpoints);
const runtime = await startRuntime(config, createLogger(config.logLevel), untilSignalled(), { fenced: (db) => db });
await runtime.stopped;
