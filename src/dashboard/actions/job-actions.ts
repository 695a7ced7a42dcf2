import { formatCount, formatMany } from '../../cli/format.ts';
import type { RetryAnswer, SkipAnswer } from '../../model/answers/changes.ts';
import type { TaskSets } from '../../model/journal.ts';
import { countIn, parseTaskSet } from '../../model/task-set.ts';
import type { Cause, Status } from '../api-routes.ts';
import { zone } from '../clock.ts';
import { type Action, action, type Field, filledFields, filledFlags } from './action.ts';

/** `price/3,7 and total/0`: tasks by step. A long set is shortened. */
const tasksText = (tasks: TaskSets): string =>
  Object.entries(tasks)
    .map(([step, ranges]) => `${step}/${ranges.length > 60 ? `${ranges.slice(0, 60)}...` : ranges}`)
    .join(' and ');

/** `finishBy: 2026-11-30T06:00Z (was none)`. */
function changesText(changes: readonly { field: string; from: unknown; to: unknown }[]): string {
  return changes.map(({ field, from, to }) => `${field}: ${shown(to)} (was ${shown(from)})`).join('; ');
}

const shown = (value: unknown): string =>
  value === null ? 'none' : typeof value === 'string' ? value : JSON.stringify(value);

/** The result of a retry, or with `dryRun` its forecast. */
function retryText({ round, count, tasks, canaries, leftOut }: RetryAnswer, dryRun: boolean): string {
  const without =
    Object.keys(leftOut).length === 0
      ? ''
      : ` ${formatMany(sizeOf(leftOut), 'task')} not retried, because a gather has opened without them: ${tasksText(leftOut)}.`;
  if (count === 0) return `There are no tasks to retry.${without}`;
  const first = canaries === null ? '' : ` First ${tasksText(canaries)}; the rest only after success.`;
  const retries = dryRun ? 'Would retry' : `Round ${round} retries`;
  return `${retries} ${formatMany(count, 'task')}: ${tasksText(tasks)}.${first}${without}`;
}

const sizeOf = (tasks: TaskSets): number =>
  Object.values(tasks).reduce((sum, set) => sum + countIn(parseTaskSet(set)), 0);

/** The result of a skip or of its undo; with `dryRun`, what it would do. */
function skipText({ undo, count, already, tasks }: SkipAnswer, dryRun: boolean): string {
  if (count === 0) return `Nothing to change: ${formatMany(already, 'task')} already ${undo ? 'not ' : ''}skipped.`;
  const also = already === 0 ? '' : ` ${formatMany(already, 'task')} already ${undo ? 'not ' : ''}skipped.`;
  if (dryRun)
    return `Would ${undo ? 'undo the skip of' : 'skip'} ${formatMany(count, 'task')}: ${tasksText(tasks)}.${also}`;
  if (undo) return `${formatMany(count, 'skip')} undone.${also}`;
  return `${formatMany(count, 'task')} skipped: ${tasksText(tasks)}.${also}`;
}

const CANARY: Field = {
  name: 'canary',
  label: 'Canary tasks',
  kind: 'count',
  hint: 'run first; the rest only if they succeed; empty: all at once',
};
const REASON: Field = {
  name: 'reason',
  label: 'Reason',
  kind: 'text',
  required: true,
  hint: 'recorded in the proof, with your name and the time',
};
const SAME_PROGRAM = 'The program stays the same. To run a fixed one, add --with JOBFILE to the command below.';

/** Tasks that are acted on together, by one call: those named, or all that match a filter. */
export interface TaskSelection {
  readonly job: string;
  /** As in a title: `task price/6`, `3 tasks`, `all 1,204 failed tasks of price`. */
  readonly name: string;
  readonly count: number;
  /** STEP/N; empty: all that match. */
  readonly tasks: readonly string[];
  /** '' for any. */
  readonly step: string;
  readonly cause: string;
}

export const oneTask = (job: string, task: string): TaskSelection => ({
  job,
  name: `task ${task}`,
  count: 1,
  tasks: [task],
  step: '',
  cause: '',
});

const causeSelection = (job: string, { cause, step }: Cause, count: number): TaskSelection => ({
  job,
  name: `cause ${cause}: ${formatCount(count)} of ${step}`,
  count,
  tasks: [],
  step: '',
  cause,
});

/** The choice as a command's words, and as a call's fields. */
const chosenWords = ({ job, tasks, step, cause }: TaskSelection): readonly string[] => [
  job,
  ...tasks.flatMap((task) => ['--task', task]),
  ...filledFlags({ cause, step }, 'cause', 'step'),
];
const chosenFields = ({ job, tasks, step, cause }: TaskSelection) => ({
  job,
  ...filledFields({ step }, 'step'),
  ...(tasks.length > 0 && { task: tasks }),
  ...(cause !== '' && { cause: [cause] }),
});

/** Retries tasks that failed for good. `label`: of the button. */
export function retryChosen(chosen: TaskSelection, label = 'Retry'): Action {
  const { name, count } = chosen;
  return action({
    label,
    name: `Retry ${name}`,
    operation: 'retry',
    preview: true,
    what: [`Retries ${formatMany(count, 'task')} that failed for good.`, SAME_PROGRAM],
    fields: count > 1 ? [{ ...CANARY, initial: '1' }] : [],
    words: (values) => ['retry', ...chosenWords(chosen), ...filledFlags(values, 'canary')],
    input: (values) => ({ ...chosenFields(chosen), ...filledFields(values, 'canary') }),
    outcome: retryText,
  });
}

export const retryCause = (job: string, cause: Cause): Action =>
  retryChosen(causeSelection(job, cause, cause.count), cause.fix === null ? 'Retry' : 'Retry once restored');

export const retryAll = (job: string, failed: number): Action =>
  retryChosen({ job, name: `all failed tasks of ${job}`, count: failed, tasks: [], step: '', cause: '' }, 'Retry all');

export function skipChosen(chosen: TaskSelection): Action {
  const { name, count } = chosen;
  return action({
    label: 'Skip',
    name: `Skip ${name}`,
    danger: true,
    operation: 'skip',
    preview: true,
    what: [
      `The job continues without ${formatMany(count, 'task')}. Steps that wait for ${count === 1 ? 'it' : 'them'} open without ${count === 1 ? 'its output' : 'their outputs'}.`,
      'The proof lists each skipped task, with your name and reason. Until a step has opened without them, batchctl skip --undo reverses this.',
    ],
    fields: [REASON],
    words: ({ reason }) => ['skip', ...chosenWords(chosen), '--reason', reason ?? ''],
    // A dry run records no reason, but the verb requires one.
    input: ({ reason = '' }, dryRun) => ({ ...chosenFields(chosen), reason: reason || (dryRun ? 'dry run' : '') }),
    outcome: skipText,
  });
}

export const skipCause = (job: string, cause: Cause): Action => skipChosen(causeSelection(job, cause, cause.count));

export function unskipChosen(chosen: TaskSelection): Action {
  const { name, count } = chosen;
  return action({
    label: 'Undo skip',
    name: `Undo skip of ${name}`,
    operation: 'skip',
    preview: true,
    what: [
      `${formatMany(count, 'task')} ${count === 1 ? 'counts' : 'count'} as failed again, or ${count === 1 ? 'runs' : 'run'}, unless a step has opened without them.`,
    ],
    words: () => ['skip', ...chosenWords(chosen), '--undo'],
    input: () => ({ ...chosenFields(chosen), undo: true }),
    outcome: skipText,
  });
}

export const unskipCause = (job: string, cause: Cause): Action =>
  unskipChosen(causeSelection(job, cause, cause.skippedCount));

/** Ends running attempts, of one task or of all running tasks of a step. */
export function killChosen(chosen: TaskSelection): Action {
  const { job, name, count, tasks, step } = chosen;
  const [task] = tasks;
  return action({
    label: 'Kill',
    name: `Kill ${name}`,
    danger: true,
    operation: 'kill',
    preview: true,
    what: [
      `Ends the running ${count === 1 ? 'attempt' : 'attempts'} of ${formatMany(count, 'task')} at the next heartbeat of the worker.`,
    ],
    fields: [
      {
        name: 'mode',
        label: 'Then',
        kind: 'choice',
        initial: '',
        choices: [
          ['', 'run again: no attempt is used up'],
          ['fail', 'count as failed for good'],
        ],
      },
    ],
    words: ({ mode }) => [
      'kill',
      job,
      ...(task === undefined ? ['--step', step] : [task]),
      ...(mode ? ['--fail'] : []),
    ],
    input: ({ mode }) => ({ job, ...(task === undefined ? { step } : { task }), ...(mode ? { fail: true } : {}) }),
    outcome: ({ tasks, count, mode }, dryRun) => {
      const which = count === 0 ? '' : `: ${tasksText(tasks)}`;
      const then = mode === 'fail' ? 'failed for good' : 'run again';
      return `${formatMany(count, 'task')} ${dryRun ? 'would be ended' : 'ended'} and ${then}${which}.`;
    },
  });
}

const stateNow = ({ state, changed }: { state: string; changed: boolean }): string =>
  changed ? `The job is now ${state}.` : `Nothing changed: the job was already ${state}.`;

export function pause({ job }: Status): Action {
  return action({
    label: 'Pause',
    name: `Pause ${job}`,
    operation: 'pause',
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
    label: 'Resume',
    name: `Resume ${job}`,
    operation: 'resume',
    what: ['The job continues where it was paused. Tasks that are missing from the queue are sent again.'],
    words: () => ['resume', job],
    input: () => ({ job }),
    outcome: ({ state, sent }) => `The job is now ${state}; ${formatMany(sent, 'message')} sent.`,
  });
}

export function cancel({ job }: Status): Action {
  return action({
    label: 'Cancel',
    name: `Cancel ${job}`,
    danger: true,
    operation: 'cancel',
    what: [
      'The job ends permanently: running tasks are stopped, and waiting tasks never start. A cancelled job cannot be resumed.',
      'Outputs of completed tasks are kept and can be fetched.',
    ],
    words: () => ['cancel', job],
    input: () => ({ job }),
    outcome: stateNow,
  });
}

/** Verifies a closed job, and stores the proof. */
export function prove(job: string): Action {
  return action({
    label: 'Verify',
    name: `Verify ${job}`,
    scope: 'submit',
    operation: 'verify',
    what: ['Reads the store, and keeps the result as a proof. This takes a while for a large job.'],
    fields: [
      { name: 'deep', label: 'Read every byte of the outputs, and check that the inputs are unchanged', kind: 'flag' },
    ],
    words: ({ deep }) => ['verify', job, ...(deep === 'yes' ? ['--deep'] : [])],
    input: ({ deep }) => ({ job, ...(deep === 'yes' && { deep: true }) }),
    outcome: ({ verdict, problems }) =>
      verdict === 'proven' ? 'The job is proven.' : `NOT proven: ${problems[0]?.message ?? 'see the proof'}.`,
  });
}

const LIMITS = ['finishBy', 'maxCost', 'tolerate', 'maxRunning'] as const;

export function adjust({ job, maxCost }: Status): Action {
  return action({
    label: 'Adjust',
    name: `Adjust the limits of ${job}`,
    operation: 'adjust',
    what: ['Empty fields leave a limit as it is; none removes it. The journal records who made the change, and when.'],
    fields: [
      {
        name: 'finishBy',
        label: 'Deadline',
        kind: 'text',
        hint: `18:30, tomorrow 06:00 or in 6h; time zone ${zone}`,
      },
      {
        name: 'maxCost',
        label: 'Cost limit, USD',
        kind: 'text',
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
    words: (values) => ['adjust', job, ...filledFlags(values, ...LIMITS), ...(values.finishBy ? ['--tz', zone] : [])],
    input: (values) => ({ job, ...filledFields(values, ...LIMITS), ...(values.finishBy ? { tz: zone } : {}) }),
    outcome: ({ changed, changes }) =>
      changed ? changesText(changes) : 'Nothing changed: these limits were already set.',
  });
}
