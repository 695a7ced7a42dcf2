import { formatMany } from '../../cli/format.ts';
import type { Status } from '../answers.ts';
import { zone } from '../clock.ts';
import { type Action, action, option, said } from './action.ts';
import { changesText } from './outcome-words.ts';

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
