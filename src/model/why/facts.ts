import { stateOf } from '../view.ts';
import type { GroupSeen, Snapshot, StepSeen, WorkerSeen } from './snapshot.ts';
import { groupFlag } from './words.ts';

/** What several causes ask of a snapshot. */

/** Not closed, not paused, due: tasks of it should run. */
export function shouldRun(seen: Snapshot): boolean {
  const state = stateOf(seen.view);
  return (state === 'running' || state === 'submitted') && isDue(seen) && seen.view.stopped === null;
}

export function isDue({ view, now }: Snapshot): boolean {
  return view.notBefore === null || Date.parse(view.notBefore) <= now;
}

/** Workers that take, or may soon take, tasks. */
export function taking({ workers }: GroupSeen): readonly WorkerSeen[] {
  return workers.filter(({ state }) => state === 'idle' || state === 'busy' || state === 'starting');
}

/** Names of the job's tasks that live workers say they run: `price/17`. */
export function busyWith(seen: Snapshot): ReadonlySet<string> {
  const prefix = `${seen.view.record.job}/`;
  const names = new Set<string>();
  for (const { workers } of seen.groups) {
    for (const { state, busy } of workers) {
      if (state === 'gone' || state === 'lost') continue;
      for (const task of busy) if (task.startsWith(prefix)) names.add(task.slice(prefix.length));
    }
  }
  return names;
}

/** Groups in which the job has something to do. */
export function wanted(seen: Snapshot): readonly GroupSeen[] {
  return seen.groups.filter(({ undecided }) => undecided > 0);
}

/** Steps with something to do, of one group. */
export function stepsOf(seen: Snapshot, group: string): readonly StepSeen[] {
  return (seen.steps ?? []).filter((step) => undecidedFor(step, group) > 0);
}

/** How many of a step's undecided tasks a group is to take. */
export function undecidedFor({ group: own, undecided, handedOver }: StepSeen, group: string): number {
  const others = handedOver?.tasks ?? 0;
  return (own === group ? undecided - others : 0) + (handedOver?.group === group ? others : 0);
}

export const undecidedIn = (seen: Snapshot): number =>
  (seen.steps ?? []).reduce((sum, { undecided }) => sum + undecided, 0);

/** What gets a worker for a group: an act or two. */
export function startOne({ group, size }: GroupSeen, flags = ''): string {
  const flag = groupFlag(group) + flags;
  if (size?.machines !== undefined) return `batchctl scale ${Math.max(1, size.desired)}${flag}`;
  if (size?.byHand) return `batchctl worker --here${flag} --until-empty, on any machine that may reach the queues`;
  return `batchctl scale ${Math.max(1, size?.desired ?? 1)}${flag}, to keep one up; batchctl worker${flag} --until-empty, to work here and now`;
}

/** Seconds since an instant, never less than none. */
export const since = ({ now }: Snapshot, instant: number): number => Math.max(0, now - instant) / 1_000;
