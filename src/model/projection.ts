import { type Claim, claimsOf, endsIn, type Ground } from './deadline.ts';
import { heldBy, type Load, secondsEach, sum, tasksLeft } from './load.ts';

/** What a group has for a job: its tasks there, what shares the slots with them, and who does it all. */
export interface GroupShare {
  /** Those of the job, and those of others. */
  readonly loads: readonly Load[];
  /** Its `current` is who works now. */
  readonly ground: Ground;
  /** Those that work now, and those that are starting. */
  readonly instances: number;
}

/** When a job ends, in seconds from now. */
export interface Projection {
  readonly ends: number;
  /** Between which it ends in nineteen of twenty such cases; null where part of it is only assumed. */
  readonly within: { readonly earliest: number; readonly latest: number } | null;
}

/** Standard deviations to either side of what is expected: 95 % lie between. */
const SIDE = 2;

/**
 * When a job ends by what its groups have now: the same model by which they are sized (`model/deadline.ts`). Null while
 * nobody knows how long a task takes that is ready, nobody is there to do it, or nothing of the job is left in any group.
 */
export function projectionOf(job: string, shares: readonly GroupShare[]): Projection | null {
  const parts = shares.flatMap((share) => {
    const claim = claimsOf(share.loads, share.ground.slots).find((each) => each.job === job);
    return claim === undefined ? [] : [{ share, claim, mine: share.loads.filter(({ due }) => due?.job === job) }];
  });
  if (parts.length === 0) return null;
  if (parts.some(({ share, mine }) => share.instances <= 0 || mine.some(isUnknown))) return null;
  const ends = parts.map(({ share, claim }) => endsIn(claim, share.instances, share.ground));
  const within = parts.map(({ share, claim, mine }, at) => between(ends[at] ?? 0, claim, mine, share));
  const known = within.filter((each) => each !== null);
  return {
    ends: Math.max(...ends),
    within:
      known.length < within.length
        ? null
        : {
            earliest: Math.max(...known.map(({ earliest }) => earliest)),
            latest: Math.max(...known.map(({ latest }) => latest)),
          },
  };
}

const isUnknown = ({ tasks, seconds }: Load): boolean => tasks > 0 && seconds === null;

/**
 * n tasks of mean m and deviation d take n m, give or take d times the root of n; and the mean itself, of k tasks that
 * were measured, is known to d over the root of k. The longest of them may begin last: later than expected by as much.
 */
function between(
  ends: number,
  claim: Claim,
  mine: readonly Load[],
  { ground: { slots }, instances }: GroupShare,
): Projection['within'] {
  const left = mine.filter((load) => tasksLeft(load) > 0);
  if (left.some(({ due }) => due === undefined || due.deviation === null || !due.measured || due.guessed === true)) {
    return null;
  }
  const variances = left.map((load) => {
    const { deviation = null, measured = 0 } = load.due ?? {};
    const each = (deviation ?? secondsEach(load)) * heldBy(load, slots);
    const tasks = tasksLeft(load);
    return each ** 2 * (tasks + (measured === 0 ? 0 : tasks ** 2 / measured));
  });
  const error = (SIDE * Math.sqrt(sum(variances))) / (instances * slots);
  // It ends no sooner than a task, and one of each step behind it.
  return { earliest: Math.max(Math.min(ends, claim.tail), ends - error), latest: ends + error + claim.spread };
}
