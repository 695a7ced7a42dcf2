import { eachParallel } from '../../lib/each-parallel.ts';
import { isBegun, triesOfRound } from '../../model/keys.ts';
import { type JobView, roundOf } from '../../model/view.ts';
import type { StepSeen, TaskHistory } from '../../model/why/snapshot.ts';
import type { Ledger, LedgerTask } from '../../ports/ledger.ts';
import type { Platform } from '../../ports/platform.ts';

/** So many running, and so many undecided tasks of each step, are looked at one by one. */
const LOOKED_AT = 50;
/** Each is two requests to a service. */
const PARALLEL = 16;

/**
 * A few undecided tasks with all their attempts: those that run, and the first ones of each step. The queue delivers
 * first what was delivered before, so tasks in trouble are among them. Those begun most often come first.
 */
export async function historiesOf(
  platform: Platform,
  ledger: Ledger,
  view: JobView,
  steps: readonly StepSeen[],
  running: readonly LedgerTask[],
): Promise<readonly TaskHistory[]> {
  const names = new Map<string, { readonly step: string; readonly task: number }>();
  const often = [...running].sort((a, b) => b.attempts - a.attempts).slice(0, LOOKED_AT);
  for (const { step, task } of often) names.set(`${step}/${task}`, { step, task });
  for (const { name: step, some } of steps) {
    for (const task of some.slice(0, LOOKED_AT)) names.set(`${step}/${task}`, { step, task });
  }
  const histories: TaskHistory[] = [];
  await eachParallel(names.values(), PARALLEL, async ({ step, task }) => {
    const [attempts, begun] = await Promise.all([
      ledger.attempts(view.record.job, step, task),
      begunMarks(platform, view, step, task),
    ]);
    if (attempts.length > 0 || begun > 0) histories.push({ step, task, attempts, begun });
  });
  return histories.sort(
    (a, b) =>
      b.begun - a.begun || b.attempts.length - a.attempts.length || a.task - b.task || (a.step < b.step ? -1 : 1),
  );
}

/** Attempts of an often delivered task that began and never got an outcome, in its round. */
async function begunMarks({ store }: Platform, view: JobView, step: string, task: number): Promise<number> {
  const index = view.record.spec.steps.findIndex(({ name }) => name === step);
  const prefix = triesOfRound(view.record.job, step, task, roundOf(view, index, task));
  let begun = 0;
  for await (const key of store.keys(prefix)) if (isBegun(key)) begun += 1;
  return begun;
}
