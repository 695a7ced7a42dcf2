/**
 * Shares `max` places among lanes in turn, beginning after the lane that was served last, so that a small job isn't
 * kept waiting by a large one. `take` gets a lane and how many it may have, and answers how many it had.
 * Answers the lane that was served last. `lanes` are ascending.
 */
export function takeTurns(
  lanes: readonly number[],
  served: number,
  max: number,
  take: (lane: number, want: number) => number,
): number {
  const first = lanes.findIndex((lane) => lane > served);
  let open = first > 0 ? [...lanes.slice(first), ...lanes.slice(0, first)] : lanes;
  let left = max;
  let last = served;
  while (left > 0 && open.length > 0) {
    const share = Math.max(1, Math.floor(left / open.length));
    const unsated: number[] = [];
    for (const lane of open) {
      if (left === 0) break;
      const want = Math.min(share, left);
      const got = take(lane, want);
      if (got > 0) last = lane;
      if (got === want) unsated.push(lane);
      left -= got;
    }
    open = unsated;
  }
  return last;
}
