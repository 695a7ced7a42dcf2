import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Status, Task } from '../../answers.ts';
import { CallError, call } from '../../call.ts';
import { Empty, Loading } from '../../parts/empty.tsx';
import { Problem } from '../../parts/problem.tsx';
import { Section } from '../../parts/section.tsx';
import { Table } from '../../parts/table.tsx';
import { replaceQuery, route } from '../../route.ts';
import { taskColumns } from './task-columns.tsx';

/** Tasks a page: a job may have a million. */
const PAGE = 50;
const STATES = ['', 'running', 'done', 'failed', 'skipped', 'waiting'] as const;
type TaskState = Exclude<(typeof STATES)[number], ''>;

/** A job's tasks, page by page, by step and state. */
export function TasksPage({ status }: { readonly status: Status }) {
  const { query } = route.value;
  const [step, state] = [query.get('step') ?? '', query.get('state') ?? ''];
  return (
    <Section title="Tasks">
      <form class="filter" onSubmit={(event) => event.preventDefault()}>
        <label for="tasks-step">Step</label>
        <select
          id="tasks-step"
          data-filter
          value={step}
          onChange={(event) => replaceQuery({ step: event.currentTarget.value, state })}
        >
          {['', ...status.steps.map(({ name }) => name)].map((name) => (
            <option key={name} value={name}>
              {name === '' ? 'all' : name}
            </option>
          ))}
        </select>
        <label for="tasks-state">State</label>
        <select
          id="tasks-state"
          value={state}
          onChange={(event) => replaceQuery({ step, state: event.currentTarget.value })}
        >
          {STATES.map((name) => (
            <option key={name} value={name}>
              {name === '' ? 'all that began' : name}
            </option>
          ))}
        </select>
      </form>
      <Pages key={`${step} ${state}`} job={status.job} step={step} state={state} />
    </Section>
  );
}

interface PagesProps {
  readonly job: string;
  readonly step: string;
  readonly state: string;
}

function Pages({ job, step, state }: PagesProps) {
  const tasks = useSignal<readonly Task[]>([]);
  const more = useSignal(true);
  const busy = useSignal(false);
  const error = useSignal<CallError | null>(null);
  const stop = useSignal(new AbortController());
  const load = async (): Promise<void> => {
    if (busy.peek()) return;
    busy.value = true;
    const last = tasks.peek().at(-1);
    const input = {
      ...{ job, limit: PAGE, ...(step !== '' && { step }), ...(state !== '' && { state: state as TaskState }) },
      ...(last !== undefined && { after: `${last.step}/${last.task}` }),
    };
    try {
      const { document } = await call('tasks', input, stop.peek().signal);
      tasks.value = [...tasks.peek(), ...(document.items as readonly Task[])];
      more.value = document.items.length === PAGE;
      error.value = null;
    } catch (caught) {
      if (stop.peek().signal.aborted) return;
      error.value = caught instanceof CallError ? caught : new CallError(0, String(caught));
    }
    busy.value = false;
  };
  useEffect(() => {
    void load();
    return () => stop.peek().abort();
  }, []);
  if (tasks.value.length === 0 && busy.value) return <Loading what="tasks" />;
  return (
    <>
      {error.value !== null && <Problem error={error.value} again={() => void load()} />}
      {tasks.value.length === 0 && error.value === null && (
        <Empty>
          {state === '' ? 'No task has begun yet: those that wait are shown by that state.' : 'No task is so.'}
        </Empty>
      )}
      {tasks.value.length > 0 && (
        <Table
          caption="Tasks"
          rows={tasks.value}
          columns={taskColumns(job)}
          keyOf={({ step: of, task }) => `${of}/${task}`}
        />
      )}
      {more.value && tasks.value.length > 0 && (
        <p class="buttons">
          <button type="button" onClick={() => void load()} aria-disabled={busy.value}>
            {busy.value ? 'Loading...' : `Show ${PAGE} more`}
          </button>
        </p>
      )}
    </>
  );
}
