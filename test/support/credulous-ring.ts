// For controls: what the feed would be without its defence.
import type { Ring } from '../../src/feed/ring.ts';
import type { RecordedChange } from '../../src/model/change.ts';

/** Believes every entry it is given, as a tail without proof of contiguity would. */
export function credulousRing(start: bigint): Ring {
  let begin = start;
  let held: RecordedChange[] = [];
  return {
    begin: () => begin,
    end: () => held.at(-1)?.position ?? begin,
    push: (change) => held.push(change) > 0,
    restart(at) {
      begin = at;
      held = [];
    },
    next: (after) => held.find((change) => change.position > after),
    after: (position, limit) => (position < begin ? 'too old' : held.filter((change) => change.position > position).slice(0, limit)),
  };
}
