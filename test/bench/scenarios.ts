// Every scenario, in the order in which they run.

import type { Scenario } from './scenario.ts';
import { fanOut } from './scenarios/fan-out.ts';
import { growth } from './scenarios/growth.ts';
import { ingest, ingestGrowth } from './scenarios/ingest.ts';
import { pointQuery } from './scenarios/point-query.ts';
import { propagation } from './scenarios/propagation.ts';
import { wideChange } from './scenarios/wide-change.ts';

export const SCENARIOS: Scenario[] = [pointQuery, ingest, propagation, fanOut, wideChange, growth, ingestGrowth];
