import { formatMany } from '../../cli/format.ts';
import type { Cause } from '../answers.ts';
import { type Action, action, type Field, option } from './action.ts';
import { retryText, skipText } from './outcome-words.ts';

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
