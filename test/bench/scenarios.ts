// Every scenario, in the order in which they run.

import type { Scenario } from './scenario.ts';
import { fanOut } from './scenarios/fan-out.ts';

export const SCENARIOS: Scenario[] = [fanOut];
