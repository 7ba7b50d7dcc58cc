// Whether a failed step of a replay says nothing about the step: then the same one is tried again later. One that took too
// long does say something: with fewer keys it may get through.
import { classifyFailure } from '../apply/failure.ts';
import { isOutage } from '../db/outage.ts';
import { sqlStateOf } from '../db/transaction.ts';
import { WorkosError } from '../workos/workos-error.ts';

const QUERY_CANCELLED = '57014';

const tookTooLong = (error: unknown): boolean =>
  sqlStateOf(error) === QUERY_CANCELLED ||
  (error instanceof Error && 'code' in error && error.code === 'P2028' && !/unable to start a transaction/i.test(error.message));

const isAway = (error: unknown): boolean => error instanceof WorkosError && (error.kind === 'rate_limited' || error.kind === 'unavailable');

export const isPassing = (error: unknown): boolean =>
  isAway(error) || (!tookTooLong(error) && (isOutage(error) || classifyFailure(error) === 'outage'));
