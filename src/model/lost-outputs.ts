import { outKey } from './keys.ts';
import { formatTaskSet, TaskBits, tasksIn } from './task-set.ts';
import type { JobView, OpenedGather } from './view.ts';

/** The tasks that the opening of the step after theirs left out. */
export function lateTasks(opened: Pick<OpenedGather, 'leftOut'> | null, size: number): TaskBits {
  try {
    return new TaskBits(size, tasksIn(opened?.leftOut ?? ''));
  } catch {
    // The check of the gather reports an invalid task set.
    return new TaskBits(0);
  }
}

/**
 * The tasks whose outputs an opening took and that are no longer published: it took all that it did not leave out. What
 * it left out may be published later, so the two sets can overlap.
 */
export function takenButGone(opened: Pick<OpenedGather, 'leftOut'>, published: TaskBits): TaskBits {
  const late = lateTasks(opened, published.size);
  const gone = new TaskBits(published.size);
  for (let task = 0; task < published.size; task += 1) if (!published.has(task) && !late.has(task)) gone.add(task);
  return gone;
}

/** Of each step, in order: the outputs that are lost and can't be made again. Absent: none. */
type LostBySteps = readonly { readonly lost?: TaskBits }[];

/** The lost outputs of the first step that has some, in words; null without any. */
export function lostOutputText({ record: { spec } }: JobView, steps: LostBySteps): string | null {
  const index = lostStep(steps);
  if (index < 0) return null;
  const what = `${spec.steps[index]?.name}/${formatTaskSet(steps[index]?.lost ?? [])}`;
  return `the output of ${what} is lost, and its files are tasks of ${spec.steps[index + 1]?.name} already: made again, it would have other files than these tasks name`;
}

/** The key of the first lost output; null without any. */
export function lostOutputKey({ record: { job, spec } }: JobView, steps: LostBySteps): string | null {
  const index = lostStep(steps);
  const [first] = steps[index]?.lost ?? [];
  return first === undefined ? null : outKey(job, spec.steps[index]?.name ?? '', first);
}

const lostStep = (steps: LostBySteps): number => steps.findIndex(({ lost }) => (lost?.count ?? 0) > 0);

/** What helps against a lost output: the commands. */
export const lostOutputFix = (job: string, key = 'the output'): string =>
  `restore ${key} from a backup or an earlier version, then batchctl verify ${job} --repair; or run the job again: batchctl run JOBFILE, with --run-key KEY --again if it has a run key`;
