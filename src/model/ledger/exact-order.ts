interface Counted {
  readonly done: number;
  readonly failed: number;
}

/**
 * Of two exact totals that were taken in the same round: negative when `a` was taken earlier, 0 when both say the same.
 * A task that is done stays so, while one that failed for good may be published late: what is done decides first.
 */
export function compareExact(a: Counted, b: Counted): number {
  return a.done === b.done ? a.failed - b.failed : a.done - b.done;
}
