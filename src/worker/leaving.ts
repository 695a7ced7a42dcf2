import type { Standing } from '../model/decide.ts';
import type { JobView } from '../model/view.ts';

/** What a worker with `--until-empty` still has to wait for in one job. */
export type Left =
  | { readonly left: 'nothing' }
  /** A step of its own groups has undecided tasks. */
  | { readonly left: 'work' }
  /** Only a step upstream, in another group, has. */
  | { readonly left: 'upstream'; readonly step: string; readonly group: string };

/**
 * Law 7: whether an exact look leaves anything that this worker should wait for. Paused, cancelled and not yet due jobs
 * are nobody's to wait for; tasks that don't fit this worker count as another group's.
 */
export function leftFor(
  view: JobView,
  standing: Standing,
  mine: { readonly groups: ReadonlySet<string>; readonly unfit: ReadonlySet<string> },
  now: number,
): Left {
  const { record } = view;
  const due = record.notBefore === null || Date.parse(record.notBefore) <= now;
  if (!due || view.paused !== null || view.cancelled || view.stopped !== null || view.closed !== null)
    return { left: 'nothing' };
  const isMine = (index: number): boolean => {
    const step = record.spec.steps[index];
    return step !== undefined && mine.groups.has(step.group) && !mine.unfit.has(`${record.job}/${step.name}`);
  };
  let upstream: Left = { left: 'nothing' };
  for (const [index, step] of standing.steps.entries()) {
    if (step.undecided.count === 0) continue;
    if (isMine(index)) return { left: 'work' };
    const followed = record.spec.steps.some((_, later) => later > index && isMine(later));
    if (followed && upstream.left === 'nothing') {
      upstream = { left: 'upstream', step: step.name, group: record.spec.steps[index]?.group ?? '' };
    }
  }
  return upstream;
}
