import { BatchctlError } from '../errors.ts';
import { TaskBits } from '../model/bits.ts';
import { type StepFacts, standingOf } from '../model/decide.ts';
import type { Overrides, TaskSets } from '../model/journal.ts';
import { openMark } from '../model/keys.ts';
import { chooseRetry, type RetryChoice } from '../model/retry-choice.ts';
import { tasksIn } from '../model/task-set.ts';
import type { JobView } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import { append, refreshView } from './journal.ts';
import { mustBeLegal } from './legal.ts';
import { listFacts } from './listing.ts';
import { recordView } from './remember.ts';
import { sendTasks } from './send.ts';
import type { TaskName } from './task-name.ts';

export interface RetryOptions {
  /** None: all that failed for good. */
  readonly tasks: readonly TaskName[];
  /** So many go first, the rest only if those succeed; null: all at once. */
  readonly canaries: number | null;
  readonly overrides: Overrides;
  /** True only says what would be asked for. */
  readonly dryRun: boolean;
}

export interface Retried {
  readonly view: JobView;
  /** The round that the retry began; null when nothing was there to retry, or of a dry run. */
  readonly round: number | null;
  readonly choice: RetryChoice;
  /** Messages sent: none for a paused job, whose `resume` sends. */
  readonly sent: number;
}

/**
 * Asks again for tasks that failed for good, in a new round: mark, entry, messages, in that order, so that whoever
 * finds the mark can finish the sending. Nothing failed: nothing is written. Throws `refused` for a cancelled job, for
 * a named task that did not fail for good, and for what an opened gather went without.
 */
export async function retry(platform: Platform, seen: JobView, options: RetryOptions): Promise<Retried> {
  let view = await refreshView(platform.store, seen);
  for (;;) {
    mustBeLegal(view, 'retry');
    const choice = chooseRetry(view, await listFacts(platform.store, view), options);
    refuseOthers(view, choice, options.tasks.length > 0);
    if (choice.count === 0 || options.dryRun) return { view, round: null, choice, sent: 0 };
    const { view: after, round } = await ask(platform, view, choice, options.overrides);
    view = after;
    // Another's entry came first: what failed may be asked for already, so choose again.
    if (round === null) continue;
    await recordView(platform, view);
    const facts = await listFacts(platform.store, view);
    const sent = view.paused === null ? await sendAsked(platform, view, facts, choice.canaries ?? choice.tasks) : 0;
    return { view, round, choice, sent };
  }
}

async function ask(
  platform: Platform,
  view: JobView,
  { tasks, canaries }: RetryChoice,
  overrides: Overrides,
): Promise<{ readonly view: JobView; readonly round: number | null }> {
  const round = view.round + 1;
  await platform.store.put(openMark(view.record.job, round), '{"format":1}');
  const by = { who: platform.who, now: platform.clock.now() };
  const { view: after, appended } = await append(platform.store, view, by, (now) =>
    now.next === view.next ? { what: 'retry', round, tasks, canaries, overrides } : null,
  );
  return { view: after, round: appended ? round : null };
}

async function sendAsked(
  platform: Platform,
  view: JobView,
  facts: readonly StepFacts[],
  asked: TaskSets,
): Promise<number> {
  let sent = 0;
  for (const [step, { name, undecided }] of standingOf(view, facts).steps.entries()) {
    const set = asked[name];
    if (set === undefined) continue;
    const wanted = new TaskBits(undecided.size);
    for (const task of tasksIn(set)) wanted.add(task);
    sent += await sendTasks(
      platform,
      view,
      step,
      [...undecided].filter((n) => wanted.has(n)),
    );
  }
  return sent;
}

function refuseOthers(view: JobView, { count, leftOut, notFailed }: RetryChoice, named: boolean): void {
  const { job } = view.record;
  const [first] = notFailed;
  if (first !== undefined) {
    throw new BatchctlError('refused', `task ${first} of job ${job} did not fail for good`, {
      hint: `batchctl tasks ${job} --task ${first}`,
    });
  }
  const sets = Object.entries(leftOut).map(([step, set]) => `${step}/${set}`);
  if (sets.length > 0 && (named || count === 0)) {
    throw new BatchctlError(
      'refused',
      `a gather of job ${job} opened without ${sets.join(' and ')}: too late to retry`,
      {
        hint: 'submit the job again for a result that has them',
      },
    );
  }
}
