import { formatDuration } from '../../../lib/units.ts';
import type { Task } from '../../answers.ts';
import { taskHash } from '../../hash.ts';
import { Ago } from '../../parts/marks.tsx';
import type { Column } from '../../parts/table.tsx';

const isBad = (state: string): boolean => state.startsWith('fail');

/** How long it took, seconds; null while it isn't known. */
function tookSeconds({ startedAt, endedAt }: Task): number | null {
  return startedAt === null || endedAt === null ? null : (Date.parse(endedAt) - Date.parse(startedAt)) / 1_000;
}

function Took({ task }: { readonly task: Task }) {
  const seconds = tookSeconds(task);
  return <>{seconds === null ? '–' : formatDuration(Math.max(0, seconds))}</>;
}

function Ending({ task: { exitCode, reason, error } }: { readonly task: Task }) {
  const how = [...(reason === null ? [] : [reason]), ...(exitCode === null || exitCode === 0 ? [] : [exitCode])].join(
    ' ',
  );
  if (how === '' && error === null) return <span class="unknown">–</span>;
  return (
    <>
      {error !== null && <span class="error">{error}</span>}
      {how !== '' && <small>{how}</small>}
    </>
  );
}

const state = {
  title: 'state',
  cell: (task: Task) => <span class={isBad(task.state) ? 'bad strong' : ''}>{task.state}</span>,
};
const rest: readonly Column<Task>[] = [
  { title: 'took', kind: 'number', cell: (task) => <Took task={task} /> },
  { title: 'ended', kind: 'number', cell: ({ endedAt }) => <Ago at={endedAt} /> },
  { title: 'worker', cell: ({ worker }) => (worker === null ? '–' : <code>{worker}</code>) },
  { title: 'last line', kind: 'text', cell: (task) => <Ending task={task} /> },
];

export const taskColumns = (job: string): readonly Column<Task>[] => [
  {
    title: 'task',
    cell: ({ step, task }) => (
      <a href={taskHash(job, step, task)}>
        {step}/{task}
      </a>
    ),
  },
  state,
  { title: 'attempts', kind: 'number', cell: ({ attempts }) => attempts ?? '–' },
  ...rest,
];

export const attemptColumns: readonly Column<Task>[] = [
  {
    title: 'attempt',
    cell: ({ number, attempt, round }) => (
      <>
        {number}
        {round > 0 && `, round ${round}`}
        <small>
          <code>{attempt}</code>
        </small>
      </>
    ),
  },
  state,
  ...rest,
];
