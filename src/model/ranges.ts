/** Sets of task numbers as ascending ranges that neither touch nor overlap; both ends are in. */
export type Ranges = readonly (readonly [number, number])[];

/** True when the number is in one of the ranges. */
export function inRanges(ranges: Ranges | undefined, n: number): boolean {
  if (ranges === undefined) return false;
  let [low, high] = [0, ranges.length - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    const [from, to] = ranges[middle] ?? [0, -1];
    if (n < from) high = middle - 1;
    else if (n > to) low = middle + 1;
    else return true;
  }
  return false;
}

/** What is in either. */
export function unionOf(a: Ranges, b: Ranges): Ranges {
  const out: [number, number][] = [];
  for (const [from, to] of [...a, ...b].sort((x, y) => x[0] - y[0])) {
    const last = out.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else out.push([from, to]);
  }
  return out;
}

/** What is in `a` and not in `b`. */
export function without(a: Ranges, b: Ranges): Ranges {
  const out: [number, number][] = [];
  let at = 0;
  for (const [from, to] of a) {
    let start = from;
    while (at < b.length && (b[at]?.[1] ?? 0) < start) at += 1;
    for (let i = at; i < b.length; i += 1) {
      const [cutFrom, cutTo] = b[i] ?? [0, -1];
      if (cutFrom > to) break;
      if (cutFrom > start) out.push([start, cutFrom - 1]);
      start = Math.max(start, cutTo + 1);
    }
    if (start <= to) out.push([start, to]);
  }
  return out;
}

/** How many numbers below `size` the ranges hold. */
export function countIn(ranges: Ranges | undefined, size: number): number {
  let count = 0;
  for (const [from, to] of ranges ?? []) count += Math.max(0, Math.min(to, size - 1) - from + 1);
  return count;
}
