import { formatMany } from '../../cli/format.ts';
import type { Cause, Status } from '../api-routes.ts';
import { zone } from '../clock.ts';
import { type Action, action, type Field, given, option } from './action.ts';

type Ranges = Readonly<Record<string, string>>;

/** `price/3,7 and total/0`: tasks by step. A long set is shortened. */
const tasksText = (tasks: Ranges): string =>
  Object.entries(tasks)
    .map(([step, ranges]) => `${step}/${ranges.length > 60 ? `${ranges.slice(0, 60)}...` : ranges}`)
    .join(' and ');

/** `finishBy: 2026-11-30T06:00Z (was none)`. */
function changesText(changes: readonly { field: string; from: unknown; to: unknown }[]): string {
  return changes.map(({ field, from, to }) => `${field}: ${shown(to)} (was ${shown(from)})`).join('; ');
}

const shown = (value: unknown): string =>
  value === null ? 'none' : typeof value === 'string' ? value : JSON.stringify(value);

interface Retried {
  readonly round: number | null;
  readonly count: number;
  readonly tasks: Ranges;
  readonly canaries: Ranges | null;
  readonly leftOut: Ranges;
}

/** What a retry did, or with `dryRun` would do. */
function retryText({ round, count, tasks, canaries, leftOut }: Retried, dryRun: boolean): string {
  const without =
    Object.keys(leftOut).length === 0
      ? ''
      : ` Not retried, because a gather has opened without them: ${tasksText(leftOut)}.`;
  if (count === 0) return `There are no tasks to retry.${without}`;
  const first = canaries === null ? '' : ` First ${tasksText(canaries)}; the rest only after success.`;
  const retries = dryRun ? 'Would retry' : `Round ${round} retries`;
  return `${retries} ${formatMany(count, 'task')}: ${tasksText(tasks)}.${first}${without}`;
}

interface Skipped {
  readonly count: number;
  readonly already: number;
  readonly tasks: Ranges;
}

function skipText({ count, already, tasks }: Skipped): string {
  if (count === 0) return `Nothing changed: ${formatMany(already, 'task')} already skipped.`;
  return `${formatMany(count, 'task')} skipped: ${tasksText(tasks)}.`;
}

const CANARY: Field = {
  ...{ name: 'canary', label: 'Canary tasks', kind: 'count' },
  hint: 'run first; the rest only if they succeed; empty: all at once',
};
const REASON: Field = {
  ...{ name: 'reason', label: 'Reason', kind: 'text', required: true },
  hint: 'recorded in the proof, with your name and the time',
};
const SAME_PROGRAM = 'The program stays the same. To run a fixed one, add --with JOBFILE to the command below.';

export function retryCause(job: string, { cause, step, count }: Cause): Action {
  return action({
    ...{ label: 'Retry', name: `Retry cause ${cause}: ${count} of ${step}`, operation: 'retry', preview: true },
    what: [`Retries ${formatMany(count, 'task')} of step ${step} that failed with this cause.`, SAME_PROGRAM],
    fields: count > 1 ? [{ ...CANARY, initial: '1' }] : [],
    words: ({ canary }) => ['retry', job, '--cause', cause, ...option('--canary', canary)],
    input: ({ canary }) => ({ job, cause: [cause], ...(canary ? { canary } : {}) }),
    outcome: retryText,
  });
}

export function retryAll(job: string, failed: number): Action {
  return action({
    ...{ label: 'Retry all', name: `Retry all failed tasks of ${job}`, operation: 'retry', preview: true },
    what: [`Retries ${formatMany(failed, 'task')} that failed for good, whatever the cause.`, SAME_PROGRAM],
    fields: failed > 1 ? [{ ...CANARY, initial: '1' }] : [],
    words: ({ canary }) => ['retry', job, ...option('--canary', canary)],
    input: ({ canary }) => ({ job, ...(canary ? { canary } : {}) }),
    outcome: retryText,
  });
}

export function retryTask(job: string, task: string): Action {
  return action({
    ...{ label: 'Retry', name: `Retry task ${task}`, operation: 'retry', preview: true },
    what: [`Retries task ${task}.`, SAME_PROGRAM],
    words: () => ['retry', job, '--task', task],
    input: () => ({ job, task: [task] }),
    outcome: retryText,
  });
}

export function skipCause(job: string, { cause, step, count }: Cause): Action {
  return action({
    ...{ label: 'Skip', name: `Skip cause ${cause}: ${count} of ${step}`, danger: true, operation: 'skip' },
    what: [
      `The job continues without ${formatMany(count, 'task')} of step ${step}. Steps that wait for them open without their outputs.`,
      'The proof lists each skipped task, with your name and reason. Until a step has opened without them, batchctl skip --undo reverses this.',
    ],
    fields: [REASON],
    words: ({ reason }) => ['skip', job, '--cause', cause, '--reason', reason ?? ''],
    input: ({ reason = '' }) => ({ job, cause: [cause], reason }),
    outcome: skipText,
  });
}

export function skipTask(job: string, task: string): Action {
  return action({
    ...{ label: 'Skip', name: `Skip task ${task}`, danger: true, operation: 'skip' },
    what: [
      `The job continues without task ${task}. Steps that wait for it open without its output.`,
      'The proof lists the task, with your name and reason.',
    ],
    fields: [REASON],
    words: ({ reason }) => ['skip', job, '--task', task, '--reason', reason ?? ''],
    input: ({ reason = '' }) => ({ job, task: [task], reason }),
    outcome: skipText,
  });
}

export function unskipCause(job: string, { cause, step, skippedCount }: Cause): Action {
  return action({
    ...{ label: 'Undo skip', name: `Undo the skip of cause ${cause} of ${step}`, operation: 'skip' },
    what: [
      `${formatMany(skippedCount, 'task')} of step ${step} ${skippedCount === 1 ? 'counts' : 'count'} as failed again, unless a step has opened without them.`,
    ],
    words: () => ['skip', job, '--cause', cause, '--undo'],
    input: () => ({ job, cause: [cause], undo: true }),
    outcome: ({ count }) => `${formatMany(count, 'skip')} undone.`,
  });
}

const stateNow = ({ state, changed }: { state: string; changed: boolean }): string =>
  changed ? `The job is now ${state}.` : `Nothing changed: the job was already ${state}.`;

export function pause({ job }: Status): Action {
  return action({
    ...{ label: 'Pause', name: `Pause ${job}`, operation: 'pause' },
    what: [
      'No new task of this job starts. Running tasks finish, unless you return them to the queue.',
      'No work is lost: Resume continues where the job stopped.',
    ],
    fields: [{ name: 'now', label: 'Return running tasks to the queue now', kind: 'flag' }],
    words: ({ now }) => ['pause', job, ...(now === 'yes' ? ['--now'] : [])],
    input: ({ now }) => ({ job, ...(now === 'yes' && { now: true }) }),
    outcome: stateNow,
  });
}

export function resume({ job }: Status): Action {
  return action({
    ...{ label: 'Resume', name: `Resume ${job}`, operation: 'resume' },
    what: ['The job continues where it was paused. Tasks that are missing from the queue are sent again.'],
    words: () => ['resume', job],
    input: () => ({ job }),
    outcome: ({ state, sent }) => `The job is now ${state}; ${formatMany(sent, 'message')} sent.`,
  });
}

export function cancel({ job }: Status): Action {
  return action({
    ...{ label: 'Cancel', name: `Cancel ${job}`, danger: true, operation: 'cancel' },
    what: [
      'The job ends permanently: running tasks are stopped, and waiting tasks never start. A cancelled job cannot be resumed.',
      'Outputs of completed tasks are kept and can be fetched.',
    ],
    words: () => ['cancel', job],
    input: () => ({ job }),
    outcome: stateNow,
  });
}

export function adjust({ job, maxCost }: Status): Action {
  return action({
    ...{ label: 'Adjust', name: `Adjust the limits of ${job}`, operation: 'adjust' },
    what: ['Empty fields leave a limit as it is; none removes it. The journal records who made the change, and when.'],
    fields: [
      {
        ...{ name: 'finishBy', label: 'Deadline', kind: 'text' },
        hint: `18:30, tomorrow 06:00 or in 6h; time zone ${zone}`,
      },
      {
        ...{ name: 'maxCost', label: 'Cost limit, USD', kind: 'text' },
        hint: maxCost === null ? 'currently none' : `currently ${maxCost}`,
      },
      {
        name: 'tolerate',
        label: 'Chains that may fail for good',
        kind: 'text',
        hint: 'a number, or a share such as 0.1%',
      },
      { name: 'maxRunning', label: 'Tasks running at a time', kind: 'text', hint: 'approximate' },
    ],
    words: ({ finishBy, maxCost, tolerate, maxRunning }) => [
      ...['adjust', job, ...option('--finish-by', finishBy), ...option('--max-cost', maxCost)],
      ...option('--tolerate', tolerate),
      ...option('--max-running', maxRunning),
      ...(finishBy ? ['--tz', zone] : []),
    ],
    input: ({ finishBy, maxCost, tolerate, maxRunning }) => ({
      ...{ job, ...given('finishBy', finishBy), ...given('maxCost', maxCost) },
      ...given('tolerate', tolerate),
      ...given('maxRunning', maxRunning),
      ...(finishBy ? { tz: zone } : {}),
    }),
    outcome: ({ changed, changes }) =>
      changed ? changesText(changes) : 'Nothing changed: these limits were already set.',
  });
}
