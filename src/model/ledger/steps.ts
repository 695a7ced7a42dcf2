/** A job's steps in the job's order; steps that appear only in counts come last, by name. */
export function orderSteps(known: readonly string[], counted: readonly string[]): readonly string[] {
  return [...known, ...counted.filter((step) => !known.includes(step)).sort()];
}

/** The steps of a listing that continues in `from`; none if that is unknown. */
export function stepsFrom(steps: readonly string[], from: string | undefined): readonly string[] {
  if (from === undefined) return steps;
  const at = steps.indexOf(from);
  return at < 0 ? [] : steps.slice(at);
}
