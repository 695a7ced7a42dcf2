import { formatMany } from '../../cli/format.ts';
import type { RedriveAnswer } from '../../model/answers/grid.ts';
import type { Group, Queue, Worker } from '../api-routes.ts';
import { type Action, action, filledFields, filledFlags } from './action.ts';

/** `worker`: a worker's id, or the id of an instance that has no worker. */
export function drain(worker: string): Action {
  return action({
    label: 'Drain',
    name: `Drain worker ${worker}`,
    operation: 'workersDrain',
    what: ['The worker takes no new tasks, finishes its current ones and exits. No attempt is used up.'],
    words: () => ['workers', 'drain', worker],
    input: () => ({ worker }),
    outcome: () => 'Drain requested. The worker exits when its current tasks have ended.',
  });
}

export function stop({ busy }: Pick<Worker, 'busy'>, worker: string): Action {
  return action({
    label: 'Stop',
    name: `Stop worker ${worker}`,
    danger: true,
    operation: 'workersStop',
    what: [
      busy.length === 0
        ? 'The worker exits at once. It is running no task.'
        : `The worker exits at once. ${formatMany(busy.length, 'running task')} ${busy.length === 1 ? 'returns' : 'return'} to the queue and ${busy.length === 1 ? 'starts' : 'start'} over on another worker. No attempt is used up.`,
    ],
    words: () => ['workers', 'stop', worker],
    input: () => ({ worker }),
    outcome: () => 'Stop requested.',
  });
}

export function scale({ group, desired, min, max, mode }: Group): Action {
  return action({
    label: 'Scale',
    name: `Scale group ${group}`,
    operation: 'scale',
    what: [
      `Current size: ${sizeText({ desired, min, max })}. ${mode === 'auto' ? 'Waiting work raises it.' : 'Only people change it.'}`,
      'Empty fields leave a setting as it is. Workers that are no longer needed finish their current tasks first.',
    ],
    fields: [
      { name: 'n', label: 'Workers', kind: 'count', initial: String(desired) },
      { name: 'min', label: 'Minimum', kind: 'count' },
      { name: 'max', label: 'Maximum', kind: 'count' },
      { name: 'for', label: 'Restore the previous size after', kind: 'text', hint: '4h; empty: never' },
      {
        name: 'mode',
        label: 'Mode',
        kind: 'choice',
        initial: '',
        choices: [
          ['', `unchanged (${mode})`],
          ['auto', 'auto: waiting work raises the size'],
          ['manual', 'manual: only people change the size'],
        ],
      },
    ],
    words: (values) => [
      ...['scale', ...(values.n ? [values.n] : []), '--group', group, ...filledFlags(values, 'min', 'max', 'for')],
      ...(values.mode ? [`--${values.mode}`] : []),
    ],
    input: (values) => ({
      group,
      ...filledFields(values, 'n', 'min', 'max', 'for'),
      ...(values.mode && { [values.mode]: true }),
    }),
    outcome: ({ items: [seen] }) => (seen === undefined ? 'Scaling requested.' : `New size: ${sizeText(seen)}.`),
  });
}

const sizeText = ({ desired, min, max }: Pick<Group, 'desired' | 'min' | 'max'>): string =>
  `${formatMany(desired, 'worker')}, minimum ${min}, maximum ${max}`;

const JOB_HINT = 'only its dead letters, also if it is closed or has a deadline; empty: of all jobs that have neither';

export function redrive({ group, dead }: Queue): Action {
  return action({
    label: 'Redrive',
    name: `Redrive dead letters of group ${group}`,
    operation: 'queueRedrive',
    preview: true,
    what: [
      `Sends about ${formatMany(dead, 'dead letter')} back to the group's queue. Tasks that failed for good are retried.`,
      'Letters of jobs that are closed or have a deadline, of earlier rounds, and of tasks that cannot be retried stay.',
    ],
    fields: [
      { name: 'job', label: 'Job', kind: 'text', hint: JOB_HINT },
      { name: 'limit', label: 'At most', kind: 'count', hint: 'number of dead letters; empty: all' },
    ],
    words: (values) => ['queue', 'redrive', '--group', group, ...filledFlags(values, 'job', 'limit')],
    input: (values) => ({ group, ...filledFields(values, 'job', 'limit') }),
    outcome: ({ items }, dryRun) => items.map((group) => redriveText(group, dryRun)).join(' '),
  });
}

function redriveText({ sent, jobs, retried, left }: RedriveAnswer, dryRun: boolean): string {
  const of = (jobs: readonly { readonly tasks: readonly string[] }[]): number =>
    jobs.reduce((sum, { tasks }) => sum + tasks.length, 0);
  const [again, stay] = [of(retried), of(left)];
  const why = [...new Set(left.map((one) => one.why))].slice(0, 3).join('; ');
  const unlessNamed = left
    .filter(({ ifNamed }) => ifNamed)
    .map(({ job }) => job)
    .slice(0, 3);
  return [
    `${formatMany(sent, 'dead letter')} ${dryRun ? 'would be sent' : 'sent'} back to the queue.`,
    ...(jobs.length === 0
      ? []
      : [`Jobs: ${jobs.map(({ job, letters }) => `${job ?? 'none'} (${letters})`).join(', ')}.`]),
    ...(again === 0 ? [] : [`${formatMany(again, 'task')} ${dryRun ? 'would' : 'will'} be retried.`]),
    ...(stay === 0 ? [] : [`${formatMany(stay, 'task')} left: ${why}.`]),
    ...(unlessNamed.length === 0 ? [] : [`To send back those of ${unlessNamed.join(' or ')}, enter its id as Job.`]),
  ].join(' ');
}
