/** Numbers from 0 to below 1, the same for the same seed, so that a forecast can be repeated. */
export type Random = () => number;

/** Mulberry32: 32 bits of state, fast, good enough to draw samples. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A number from the normal distribution with mean 0 and deviation 1. */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** An element of a list that isn't empty, all with equal probability. */
export function oneOf<T>(list: readonly T[], random: Random): T {
  const found = list[Math.floor(random() * list.length)];
  if (found === undefined) throw new RangeError('nothing to choose from');
  return found;
}

/** As many elements as the list has, drawn with replacement: a bootstrap sample. */
export function resample<T>(list: readonly T[], random: Random): readonly T[] {
  return list.map(() => oneOf(list, random));
}
