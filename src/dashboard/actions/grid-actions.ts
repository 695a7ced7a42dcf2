import { formatMany } from '../../cli/format.ts';
import type { Group, Queue, Worker } from '../api-routes.ts';
import { type Action, action, option, said } from './action.ts';

/** `worker`: its id, or of an instance without a worker the instance's. */
export function drain(worker: string): Action {
  return action({
    ...{ label: 'Drain', name: `Drain worker ${worker}`, operation: 'workersDrain' },
    what: ['It takes no further task, ends what it runs, and leaves. No attempt is spent.'],
    words: () => ['workers', 'drain', worker],
    input: () => ({ worker }),
    outcome: () => 'It was told to; it leaves once what it runs has ended.',
  });
}

export function stop({ busy }: Pick<Worker, 'busy'>, worker: string): Action {
  return action({
    ...{ label: 'Stop', name: `Stop worker ${worker}`, danger: true, operation: 'workersStop' },
    what: [
      busy.length === 0
        ? 'It leaves at once. It runs nothing.'
        : `It leaves at once. ${formatMany(busy.length, 'task')} that it runs ${busy.length === 1 ? 'is' : 'are'} given back, and another worker begins ${busy.length === 1 ? 'it' : 'them'} anew. No attempt is spent.`,
    ],
    words: () => ['workers', 'stop', worker],
    input: () => ({ worker }),
    outcome: () => 'It was told to.',
  });
}

export function scale({ group, desired, min, max, mode }: Group): Action {
  return action({
    ...{ label: 'Scale', name: `Scale group ${group}`, operation: 'scale' },
    what: [
      `The group has ${formatMany(desired, 'worker')} now, at least ${min} and at most ${max}; its size is ${mode === 'auto' ? 'raised by waiting work' : 'changed by people only'}.`,
      'Only what is filled in changes. Who has to leave ends first what it runs.',
    ],
    fields: [
      { name: 'n', label: 'Workers', kind: 'count', initial: String(desired) },
      { name: 'min', label: 'Never fewer than', kind: 'count' },
      { name: 'max', label: 'Never more than', kind: 'count' },
      { name: 'for', label: 'The size before comes back after', kind: 'text', hint: '4h; empty: it stays' },
      {
        ...{ name: 'mode', label: 'Who changes the size', kind: 'choice', initial: '' },
        choices: [
          ['', `as it is (${mode})`],
          ['auto', 'waiting work raises it'],
          ['manual', 'only a person'],
        ],
      },
    ],
    words: (values) => [
      ...['scale', ...(values.n ? [values.n] : []), '--group', group],
      ...option('--min', values.min),
      ...option('--max', values.max),
      ...option('--for', values.for),
      ...(values.mode ? [`--${values.mode}`] : []),
    ],
    input: (values) => ({
      ...{ group, ...said('n', values.n), ...said('min', values.min), ...said('max', values.max) },
      ...said('for', values.for),
      ...(values.mode === 'auto' && { auto: true }),
      ...(values.mode === 'manual' && { manual: true }),
    }),
    outcome: ({ items: [seen] }) =>
      seen === undefined
        ? 'It was told to.'
        : `${formatMany(seen.desired, 'worker')} from now on, at least ${seen.min} and at most ${seen.max}.`,
  });
}

export function redrive({ group, dead }: Queue): Action {
  return action({
    ...{ label: 'Redrive', name: `Redrive dead letters of group ${group}`, operation: 'queueRedrive', preview: true },
    what: [
      `About ${formatMany(dead, 'dead letter')} of the group go back to its queue. For a task that failed for good that is a retry: it is asked for again.`,
      'Those of jobs that are gone, or that may not be retried, stay.',
    ],
    fields: [{ name: 'limit', label: 'At most so many', kind: 'count', hint: 'empty: all' }],
    words: ({ limit }) => ['queue', 'redrive', '--group', group, ...option('--limit', limit)],
    input: ({ limit }) => ({ group, ...said('limit', limit) }),
    outcome: (document, dryRun) => redriveText(document, dryRun),
  });
}

interface Redriven {
  readonly sent: number;
  readonly retried: readonly { readonly job: string; readonly tasks: readonly string[] }[];
  readonly left: readonly { readonly job: string; readonly tasks: readonly string[]; readonly why: string }[];
}

function redriveText({ sent, retried, left }: Redriven, dryRun: boolean): string {
  const of = (jobs: Redriven['retried']): number => jobs.reduce((sum, { tasks }) => sum + tasks.length, 0);
  const [again, stay] = [of(retried), of(left)];
  const why = [...new Set(left.map((one) => one.why))].slice(0, 3).join('; ');
  return [
    `${formatMany(sent, 'dead letter')} ${dryRun ? 'would go' : 'went'} back.`,
    ...(again === 0
      ? []
      : [`${formatMany(again, 'task')} ${dryRun ? 'would be' : again === 1 ? 'is' : 'are'} asked for again.`]),
    ...(stay === 0 ? [] : [`${formatMany(stay, 'task')} left: ${why}.`]),
  ].join(' ');
}
