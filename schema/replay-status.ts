import { builder } from './builder.ts';

/** Of replays and of reconciliations. */
export const ReplayStatus = builder.enumType('ReplayStatus', {
  values: ['PENDING', 'RUNNING', 'AWAITING_CONFIRMATION', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const,
});
