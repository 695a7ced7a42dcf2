/** Sets of task numbers as text: ascending, inclusive ranges, `0-4,17`. */

/** Parses a set's text. Throws a RangeError on anything else. */
export function parseTaskSet(text: string): readonly (readonly [number, number])[] {
  if (text === '') return [];
  let last = -1;
  return text.split(',').map((piece) => {
    const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(piece);
    if (match?.[1] === undefined) throw new RangeError(`not a set of tasks: ${text}`);
    const from = Number(match[1]);
    const to = match[2] === undefined ? from : Number(match[2]);
    if (from <= last || to < from) throw new RangeError(`not a set of tasks, ascending and without doubles: ${text}`);
    last = to;
    return [from, to] as const;
  });
}

/** Writes numbers (ascending, without doubles) as a set's text. */
export function formatTaskSet(numbers: Iterable<number>): string {
  const pieces: string[] = [];
  let from = -1;
  let to = -1;
  const flush = (): void => {
    if (from >= 0) pieces.push(from === to ? `${from}` : `${from}-${to}`);
  };
  for (const n of numbers) {
    if (n === to + 1 && from >= 0) to = n;
    else {
      flush();
      from = n;
      to = n;
    }
  }
  flush();
  return pieces.join(',');
}

/** Every number of a set's text, ascending. */
export function* tasksIn(text: string): Generator<number> {
  for (const [from, to] of parseTaskSet(text)) for (let n = from; n <= to; n += 1) yield n;
}

/** Every number from 0 to below `size` that a set's text does not name, ascending. */
export function* tasksWithout(leftOut: string, size: number): Generator<number> {
  let task = 0;
  for (const [from, to] of parseTaskSet(leftOut)) {
    for (; task < Math.min(from, size); task += 1) yield task;
    task = to + 1;
  }
  for (; task < size; task += 1) yield task;
}

/** True when the set's text names the number. */
export function taskSetHas(text: string | undefined, n: number): boolean {
  if (text === undefined) return false;
  return parseTaskSet(text).some(([from, to]) => n >= from && n <= to);
}
