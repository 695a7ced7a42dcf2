import { formatMany } from '../../cli/format.ts';
import type { Cause, Status } from '../api-routes.ts';
import { zone } from '../clock.ts';
import { type Action, action, type Field, option, said } from './action.ts';

type Ranges = Readonly<Record<string, string>>;

/** `price/3,7 and total/0`: tasks by step, as far as they can be read. */
const tasksText = (tasks: Ranges): string =>
  Object.entries(tasks)
    .map(([step, ranges]) => `${step}/${ranges.length > 60 ? `${ranges.slice(0, 60)}...` : ranges}`)
    .join(' and ');

/** `finishBy: none, now 2026-11-30T06:00Z`. */
function changesText(changes: readonly { field: string; from: unknown; to: unknown }[]): string {
  return changes.map(({ field, from, to }) => `${field}: ${shown(to)}, before ${shown(from)}`).join('; ');
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
    Object.keys(leftOut).length === 0 ? '' : ` Left out, as a gather went without them: ${tasksText(leftOut)}.`;
  if (count === 0) return `No task to ask for again.${without}`;
  const first = canaries === null ? '' : ` First ${tasksText(canaries)}; the rest only if that succeeds.`;
  const asks = dryRun ? 'It would ask' : `Round ${round} asks`;
  return `${asks} for ${formatMany(count, 'task')} again: ${tasksText(tasks)}.${first}${without}`;
}

interface Skipped {
  readonly count: number;
  readonly already: number;
  readonly tasks: Ranges;
}

function skipText({ count, already, tasks }: Skipped): string {
  if (count === 0) return `Nothing changed: ${formatMany(already, 'task')} skipped already.`;
  return `${formatMany(count, 'task')} skipped: ${tasksText(tasks)}.`;
}

const CANARY: Field = {
  ...{ name: 'canary', label: 'Try so many first', kind: 'count' },
  hint: 'the rest only if those succeed; empty: all at once',
};
const REASON: Field = {
  ...{ name: 'reason', label: 'Reason', kind: 'text', required: true },
  hint: 'the proof names it, with who and when',
};
const NEW_PROGRAM =
  'With the program as it was submitted. A mended one takes the command line: add --with JOBFILE to the command below.';

export function retryCause(job: string, { cause, step, count }: Cause): Action {
  return action({
    ...{ label: 'Retry', name: `Retry cause ${cause}: ${count} of ${step}`, operation: 'retry', preview: true },
    what: [
      `${formatMany(count, 'task')} of step ${step} that failed so ${count === 1 ? 'is' : 'are'} tried again.`,
      NEW_PROGRAM,
    ],
    fields: count > 1 ? [{ ...CANARY, initial: '1' }] : [],
    words: ({ canary }) => ['retry', job, '--cause', cause, ...option('--canary', canary)],
    input: ({ canary }) => ({ job, cause: [cause], ...(canary ? { canary } : {}) }),
    outcome: retryText,
  });
}

export function retryAll(job: string, failed: number): Action {
  return action({
    ...{ label: 'Retry all', name: `Retry all that failed in ${job}`, operation: 'retry', preview: true },
    what: [`All ${formatMany(failed, 'task')} that failed for good are tried again, whatever the cause.`, NEW_PROGRAM],
    fields: failed > 1 ? [{ ...CANARY, initial: '1' }] : [],
    words: ({ canary }) => ['retry', job, ...option('--canary', canary)],
    input: ({ canary }) => ({ job, ...(canary ? { canary } : {}) }),
    outcome: retryText,
  });
}

export function retryTask(job: string, task: string): Action {
  return action({
    ...{ label: 'Retry', name: `Retry task ${task}`, operation: 'retry', preview: true },
    what: [`Task ${task} is tried again.`, NEW_PROGRAM],
    words: () => ['retry', job, '--task', task],
    input: () => ({ job, task: [task] }),
    outcome: retryText,
  });
}

export function skipCause(job: string, { cause, step, count }: Cause): Action {
  return action({
    ...{ label: 'Skip', name: `Skip cause ${cause}: ${count} of ${step}`, danger: true, operation: 'skip' },
    what: [
      `The job goes without ${formatMany(count, 'task')} of step ${step}: what waits for them opens, and their outputs are missing from it.`,
      'The proof names each, with who said so and why. It can be taken back until what waited has opened: batchctl skip --undo.',
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
      `The job goes without task ${task}: what waits for it opens, and its output is missing from it.`,
      'The proof names it, with who said so and why.',
    ],
    fields: [REASON],
    words: ({ reason }) => ['skip', job, '--task', task, '--reason', reason ?? ''],
    input: ({ reason = '' }) => ({ job, task: [task], reason }),
    outcome: skipText,
  });
}

export function unskipCause(job: string, { cause, step, skippedCount }: Cause): Action {
  return action({
    ...{ label: 'Take back', name: `Take back the skip of cause ${cause} of ${step}`, operation: 'skip' },
    what: [
      `${formatMany(skippedCount, 'task')} of step ${step} count as failed again, unless what waited for them has opened.`,
    ],
    words: () => ['skip', job, '--cause', cause, '--undo'],
    input: () => ({ job, cause: [cause], undo: true }),
    outcome: ({ count }) => `${formatMany(count, 'skip')} taken back.`,
  });
}

const stateNow = ({ state, changed }: { state: string; changed: boolean }): string =>
  changed ? `It is ${state} now.` : `Nothing changed: it was ${state} already.`;

export function pause({ job }: Status): Action {
  return action({
    ...{ label: 'Pause', name: `Pause ${job}`, operation: 'pause' },
    what: [
      'No further task of this job begins. What runs goes on to its end, unless it is given back at once.',
      'Nothing is lost: resume goes on where it stopped.',
    ],
    fields: [{ name: 'now', label: 'Give running tasks back at once', kind: 'flag' }],
    words: ({ now }) => ['pause', job, ...(now === 'yes' ? ['--now'] : [])],
    input: ({ now }) => ({ job, ...(now === 'yes' && { now: true }) }),
    outcome: stateNow,
  });
}

export function resume({ job }: Status): Action {
  return action({
    ...{ label: 'Resume', name: `Resume ${job}`, operation: 'resume' },
    what: ['The job goes on where it was paused. What is missing on the queue is sent again.'],
    words: () => ['resume', job],
    input: () => ({ job }),
    outcome: ({ state, sent }) => `It is ${state} now; ${formatMany(sent, 'message')} sent.`,
  });
}

export function cancel({ job }: Status): Action {
  return action({
    ...{ label: 'Cancel', name: `Cancel ${job}`, danger: true, operation: 'cancel' },
    what: [
      'The job ends for good: running tasks are ended, waiting ones never begin. It can not be taken up again.',
      'What is done stays: its outputs can be fetched.',
    ],
    words: () => ['cancel', job],
    input: () => ({ job }),
    outcome: stateNow,
  });
}

export function adjust({ job, maxCost }: Status): Action {
  return action({
    ...{ label: 'Adjust', name: `Adjust the limits of ${job}`, operation: 'adjust' },
    what: ['Only what is filled in changes; none lifts a limit. The journal keeps who changed it, and when.'],
    fields: [
      {
        ...{ name: 'finishBy', label: 'Deadline', kind: 'text' },
        hint: `18:30, tomorrow 06:00, in 6h; in ${zone}`,
      },
      {
        ...{ name: 'maxCost', label: 'Most that it may cost, USD', kind: 'text' },
        hint: maxCost === null ? 'no limit now' : `${maxCost} now`,
      },
      { name: 'tolerate', label: 'Chains that may fail for good', kind: 'text', hint: 'a count, or a share: 0.1%' },
      { name: 'maxRunning', label: 'Tasks that run at a time', kind: 'text', hint: 'about' },
    ],
    words: ({ finishBy, maxCost, tolerate, maxRunning }) => [
      ...['adjust', job, ...option('--finish-by', finishBy), ...option('--max-cost', maxCost)],
      ...option('--tolerate', tolerate),
      ...option('--max-running', maxRunning),
      ...(finishBy ? ['--tz', zone] : []),
    ],
    input: ({ finishBy, maxCost, tolerate, maxRunning }) => ({
      ...{ job, ...said('finishBy', finishBy), ...said('maxCost', maxCost) },
      ...said('tolerate', tolerate),
      ...said('maxRunning', maxRunning),
      ...(finishBy ? { tz: zone } : {}),
    }),
    outcome: ({ changed, changes }) => (changed ? changesText(changes) : 'Nothing changed: it was so already.'),
  });
}
