// Orders of arrival that shrink towards the sorted one without repeats.
import fc from 'fast-check';

/** Puts up to `maxLength` items in some order, some of them twice. */
export type Arrivals = <T>(items: readonly T[]) => T[];

export const arrivals = (maxLength: number): fc.Arbitrary<Arrivals> =>
  fc.array(fc.tuple(fc.nat(10_000), fc.nat(3), fc.nat(10_000)), { minLength: maxLength, maxLength }).map((draws): Arrivals => {
    const order: Arrivals = (items) =>
      items
        .flatMap((item, index) => {
          const [place, copies, again] = draws[index] ?? [0, 0, 0];
          return copies === 3
            ? [
                { item, place },
                { item, place: again },
              ]
            : [{ item, place }];
        })
        .sort((a, b) => a.place - b.place)
        .map(({ item }) => item);
    return Object.assign(order, {
      [fc.toStringMethod]: () => JSON.stringify(draws.map(([place, copies, again]) => (copies === 3 ? [place, again] : place))),
    });
  });
