import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Status, Task } from '../../answers.ts';
import { CallError, call } from '../../call.ts';
import { taskHash } from '../../hash.ts';
import { Empty, Loading, Problem, Section } from '../../parts/section.tsx';
import { Choice, Table } from '../../parts/table.tsx';
import { replaceQuery, route } from '../../route.ts';
import { taskColumns } from './task-columns.tsx';

/** Tasks a page: a job may have a million. */
const PAGE = 50;
const STATES = ['', 'running', 'done', 'failed', 'skipped', 'waiting'] as const;
type TaskState = Exclude<(typeof STATES)[number], ''>;

const STATE_CHOICES = STATES.map((state) => [state, state === '' ? 'all that began' : state] as const);

/** A job's tasks, page by page, by step and state. */
export function TasksPage({ status }: { readonly status: Status }) {
  const looks = useSignal(0);
  const { query } = route.value;
  const [step, state] = [query.get('step') ?? '', query.get('state') ?? ''];
  const steps = status.steps.map(({ name }) => name);
  const again = (
    <button
      type="button"
      onClick={() => {
        looks.value += 1;
      }}
    >
      Look again
    </button>
  );
  return (
    <Section title="Tasks" lead="As they were when it was looked." tools={again}>
      <form class="filter" onSubmit={(event) => event.preventDefault()}>
        <Choice
          {...{ id: 'tasks-step', label: 'Step', value: step, first: true }}
          choices={[['', 'all'], ...steps.map((name) => [name, name] as const)]}
          onValue={(chosen) => replaceQuery({ step: chosen, state })}
        />
        <Choice
          {...{ id: 'tasks-state', label: 'State', value: state, choices: STATE_CHOICES }}
          onValue={(chosen) => replaceQuery({ step, state: chosen })}
        />
      </form>
      <GoTo job={status.job} step={step === '' ? (steps[0] ?? '') : step} />
      <Pages key={`${step} ${state} ${looks.value}`} job={status.job} step={step} state={state} />
    </Section>
  );
}

/** To one task, of a million: its number alone is of the step that is chosen. */
function GoTo({ job, step }: { readonly job: string; readonly step: string }) {
  const text = useSignal('');
  const go = (): void => {
    const [number = '', of = step] = text.value.trim().split('/').reverse();
    location.hash = taskHash(job, of, number);
  };
  return (
    <form
      class="filter"
      onSubmit={(event) => {
        event.preventDefault();
        go();
      }}
    >
      <label for="tasks-go">Task</label>
      <input
        {...{ id: 'tasks-go', type: 'search', required: true, autocomplete: 'off', spellcheck: false }}
        pattern="\s*([a-z][a-z0-9\-]*/)?[0-9]+\s*"
        title="a number, or STEP/NUMBER"
        placeholder={`${step}/0`}
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
        }}
      />
      <button type="submit">Show it</button>
    </form>
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
