// What a catalog would do to everybody's access, without doing it: read as of one moment, under no lock, so that nobody waits
// for somebody who only asks.
import type { Tx } from '../db/client.ts';
import type { Cause } from '../model/change.ts';
import type { CatalogSteps } from './catalog-plan.ts';
import { afterSteps, reachOf } from './catalog-rows.ts';
import { type CountedEffect, computeChunk, joinEffects, noEffect, noMemory } from './wide-chunk.ts';

/** The transaction must read all of it as of one moment. */
export async function previewSteps(tx: Tx, steps: CatalogSteps, cause: Cause, chunkSize: number): Promise<CountedEffect> {
  const total = noEffect();
  const reaches = await reachOf(tx, steps);
  for (const reach of reaches.sort((a, b) => (a.organizationId < b.organizationId ? -1 : 1))) {
    const memory = noMemory();
    for (let after: string | null = ''; after !== null; ) {
      const { effect, last } = await computeChunk(tx, reach, cause, {
        after,
        limit: chunkSize,
        memory,
        alter: (stored) => afterSteps(stored, steps),
      });
      joinEffects(total, effect);
      after = last;
    }
  }
  total.preview.sort((a, b) => (a.userId < b.userId ? -1 : 1));
  return total;
}
