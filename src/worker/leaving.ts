import type { TaskBits } from '../model/bits.ts';
import type { Standing } from '../model/decide.ts';
import type { StepSpec } from '../model/job.ts';
import type { JobView } from '../model/view.ts';

/** What a worker with `--until-empty` still has to wait for in one job. */
export type Left =
  | { readonly left: 'nothing' }
  /** Its own groups have undecided tasks. */
  | { readonly left: 'work' }
  /** Only upstream, in another group. */
  | { readonly left: 'upstream'; readonly step: string; readonly group: string };

export interface Mine {
  readonly groups: ReadonlySet<string>;
  /** `job/step` of tasks that don't fit this worker. */
  readonly unfit: ReadonlySet<string>;
}

/**
 * Law 7: whether this worker must wait for anything found by an exact look. Paused, cancelled and not yet due jobs are
 * not waited for; tasks that don't fit this worker count as another group's, and those of `ofFallbacks` (by step) as
 * their fallback group's. For a fallback group, everything that may still come to it is upstream.
 */
export function leftFor(
  view: JobView,
  standing: Standing,
  ofFallbacks: ReadonlyMap<number, TaskBits>,
  mine: Mine,
  now: number,
): Left {
  const { record } = view;
  const due = view.notBefore === null || Date.parse(view.notBefore) <= now;
  if (!due || view.paused !== null || view.cancelled || view.stopped !== null || view.closed !== null)
    return { left: 'nothing' };
  const takes = ({ name }: StepSpec, group: string | null): boolean =>
    group !== null && mine.groups.has(group) && !mine.unfit.has(`${record.job}/${name}`);
  let upstream: Left = { left: 'nothing' };
  for (const [index, step] of record.spec.steps.entries()) {
    const undecided = standing.steps[index]?.undecided.count ?? 0;
    const handedOver = ofFallbacks.get(index)?.count ?? 0;
    const own = undecided - handedOver;
    if (undecided === 0) continue;
    if (own > 0 && takes(step, step.group)) return { left: 'work' };
    if (handedOver > 0 && takes(step, step.fallback)) return { left: 'work' };
    const later = record.spec.steps.slice(index + 1);
    const comes =
      takes(step, step.fallback) || later.some((next) => takes(next, next.group) || takes(next, next.fallback));
    if (comes && upstream.left === 'nothing') {
      upstream = { left: 'upstream', step: step.name, group: own > 0 ? step.group : (step.fallback ?? step.group) };
    }
  }
  return upstream;
}
