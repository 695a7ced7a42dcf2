/** Numbers from 0 to below 1, the same for the same seed: a forecast made twice is the same forecast. */
export type Random = () => number;

/** Mulberry32: 32 bits of state, quick, good enough to draw samples with. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Of the normal distribution with mean 0 and deviation 1. */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** One of a list that isn't empty, each as likely. */
export function oneOf<T>(list: readonly T[], random: Random): T {
  const found = list[Math.floor(random() * list.length)];
  if (found === undefined) throw new RangeError('nothing to choose from');
  return found;
}

/** As many of a list as it has, drawn with putting back: a bootstrap sample. */
export function resample<T>(list: readonly T[], random: Random): readonly T[] {
  return list.map(() => oneOf(list, random));
}
