// How a subscription ends when it cannot go on. Always with an error that says what to do: a feed that just ends would
// look complete.
import { AccessError } from '../errors.ts';

export const cursorBeyondEnd = (): AccessError =>
  new AccessError('CURSOR_INVALID', 'This cursor lies beyond the end of the change log. Take a new snapshot and follow from its asOf.');

export const cursorExpired = (): AccessError =>
  new AccessError('CURSOR_EXPIRED', 'Changes after this cursor are no longer kept. Take a new snapshot and follow from its asOf.');

export const feedUnavailable = (cause?: unknown): AccessError =>
  new AccessError('UNAVAILABLE', 'The change log cannot be read at the moment. Subscribe again after the last cursor received.', { cause });
