import { TaskBits, tasksIn } from './task-set.ts';
import type { OpenedGather } from './view.ts';

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
