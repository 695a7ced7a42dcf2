/** How much of a log was shown: its length, and its last bytes, by which the place is found again in a cut log. */
export interface Shown {
  readonly length: number;
  readonly end: Uint8Array;
}

const END = 1_024;

export const NOTHING_SHOWN: Shown = { length: 0, end: new Uint8Array() };

/** What is shown once the whole of `log` is. */
export function shownOf(log: Uint8Array): Shown {
  return { length: log.length, end: log.slice(-END) };
}

/**
 * What a log has that was not shown. It grows at its end; a long one is also cut at its beginning, under a line that
 * says so: then the place is found by what was shown last, and all of it is new where that is gone.
 */
export function newIn(shown: Shown, log: Uint8Array): Uint8Array {
  if (shown.length === 0) return log;
  const { length, end } = shown;
  if (log.length >= length && equal(log.subarray(length - end.length, length), end)) return log.subarray(length);
  const at = lastIndexOf(log, end);
  return at < 0 ? log : log.subarray(at + end.length);
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function lastIndexOf(log: Uint8Array, end: Uint8Array): number {
  const last = end.at(-1);
  for (let at = log.length - end.length; at >= 0; at -= 1) {
    if (log[at + end.length - 1] === last && equal(log.subarray(at, at + end.length), end)) return at;
  }
  return -1;
}
