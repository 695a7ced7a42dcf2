export interface Bounds {
  readonly min: number;
  readonly max: number;
}

/** What the group gets, and what is said of it. */
export interface BoundsChoice {
  readonly bounds: Bounds;
  /** Said, and not changed. */
  readonly note: string | null;
}

/** As the group's tag keeps them. */
export const boundsText = ({ min, max }: Bounds): string => `${min} ${max}`;

/**
 * The bounds that `up` gives a group. `lastSet` is what it set before: if the configuration still says that, other
 * bounds are a person's (`scale --min --max`), and stay. A changed configuration wins; but never is the most smaller
 * than the size that is wanted now, which Auto Scaling would lower with it (UpdateAutoScalingGroup: MaxSize).
 */
export function chooseBounds(
  wanted: Bounds,
  found: Bounds & { readonly desired: number },
  lastSet: string | undefined,
): BoundsChoice {
  const asFound = { min: found.min, max: found.max };
  if (lastSet === boundsText(wanted)) {
    if (boundsText(asFound) === lastSet) return { bounds: asFound, note: null };
    const note = `min ${found.min}, max ${found.max}, as set by a person (configuration: min ${wanted.min}, max ${wanted.max})`;
    return { bounds: asFound, note };
  }
  const bounds = { min: wanted.min, max: Math.max(wanted.max, found.desired) };
  const waits = bounds.max > wanted.max;
  return { bounds, note: waits ? `max ${wanted.max} once the desired size is no higher (now ${found.desired})` : null };
}
