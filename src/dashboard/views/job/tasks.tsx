import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { formatDuration } from '../../../lib/units.ts';
import { retryTask, skipTask } from '../../actions/job-actions.ts';
import type { Log, Status, Task, TaskState } from '../../api-routes.ts';
import { CallError, call } from '../../call.ts';
import { taskHash } from '../../hash.ts';
import { ActionButton } from '../../parts/action-dialog.tsx';
import { Ago } from '../../parts/marks.tsx';
import { Command, Empty, Loading, LogBox, Problem, Section } from '../../parts/section.tsx';
import { Choice, type Column, Table } from '../../parts/table.tsx';
import { replaceQuery, route } from '../../route.ts';
import { useQuery } from '../../use-query.ts';
import { isOpen, progressOf } from '../../words/job.ts';

/** Tasks fetched at a time: a job may have a million. */
const PAGE = 50;

const STATES = ['', 'running', 'done', 'failed', 'skipped', 'waiting'] as const;

const STATE_CHOICES = STATES.map((state) => [state, state === '' ? 'all that have started' : state] as const);

/** A job's tasks, filtered by step and state, a page at a time. */
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
      Refresh
    </button>
  );
  return (
    <Section title="Tasks" lead="The list does not update by itself." tools={again}>
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

/** Opens one task. A number without a step means the chosen step. */
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
      <button type="submit">Show task</button>
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
          {state === ''
            ? 'No tasks have started yet. Choose the state waiting to see tasks that wait.'
            : 'No tasks match.'}
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

const isFailed = (state: string): boolean => state.startsWith('fail');

/** Duration in seconds; null while unknown. */
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
  cell: (task: Task) => <span class={isFailed(task.state) ? 'bad strong' : ''}>{task.state}</span>,
};

const rest: readonly Column<Task>[] = [
  { title: 'duration', kind: 'number', cell: (task) => <Took task={task} /> },
  { title: 'ended', kind: 'number', cell: ({ endedAt }) => <Ago at={endedAt} /> },
  { title: 'worker', cell: ({ worker }) => (worker === null ? '–' : <code>{worker}</code>) },
  { title: 'last line', kind: 'text', cell: (task) => <Ending task={task} /> },
];

const taskColumns = (job: string): readonly Column<Task>[] => [
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

const attemptColumns: readonly Column<Task>[] = [
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

const EVERY_MS = 5_000;

/** Characters shown from the end of a log. */
const SHOWN = 100_000;

/** One task: its attempts and their logs. */
export function TaskPage({ status, task }: { readonly status: Status; readonly task: string }) {
  const { job, state, round } = status;
  const { done, failed } = progressOf(status);
  const often = { when: `${state} ${round} ${done} ${failed}`, ...(isOpen(state) && { everyMs: EVERY_MS }) };
  const attempts = useQuery('tasks', { job, task }, often);
  const logs = useQuery('logs', { job, task }, often);
  const rows = attempts.document?.items as readonly Task[] | undefined;
  const texts = logs.document?.items as readonly Log[] | undefined;
  const last = rows?.at(-1);
  const tools = state !== 'cancelled' && last?.state.startsWith('fail') === true && (
    <>
      <ActionButton action={retryTask(job, task)} />
      <ActionButton action={skipTask(job, task)} />
    </>
  );
  return (
    <>
      <Section title={`Task ${task}`} lead="All recorded attempts, oldest first." tools={tools}>
        {attempts.error !== null && <Problem error={attempts.error} again={attempts.again} />}
        {rows === undefined && attempts.error === null && <Loading what="attempts" />}
        {rows?.length === 0 && <Empty>No attempts have been recorded.</Empty>}
        {rows !== undefined && rows.length > 0 && (
          <Table
            caption={`Attempts of ${task}`}
            rows={rows}
            columns={attemptColumns}
            keyOf={(row) => `${row.attempt}`}
          />
        )}
        <p class="note">
          To run this task on your machine, with its input, code and environment:{' '}
          <Command>{`batchctl reproduce ${job} ${task} --run`}</Command>
        </p>
      </Section>
      <Section title="Logs" lead="What the attempts wrote to stderr.">
        {logs.error !== null && <Problem error={logs.error} again={logs.again} />}
        {texts === undefined && logs.error === null && <Loading what="logs" />}
        {texts?.length === 0 && <Empty>No attempt has written to stderr.</Empty>}
        {texts?.map(({ attempt, text }) => (
          <LogText key={attempt} attempt={attempt} text={text} />
        ))}
      </Section>
    </>
  );
}

function LogText({ attempt, text }: { readonly attempt: string; readonly text: string }) {
  const shown = text.length <= SHOWN ? text : text.slice(-SHOWN);
  return (
    <figure class="log-of">
      <figcaption>
        attempt <code>{attempt}</code>
        {shown !== text && `, the last ${SHOWN.toLocaleString('en')} characters`}
      </figcaption>
      <LogBox name={`Log of attempt ${attempt}`} text={shown} />
    </figure>
  );
}
