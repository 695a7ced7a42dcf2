import { type Signal, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { formatCount, formatMany, paramNamesOf, shouldShowInputs } from '../../../cli/format.ts';
import { formatDuration } from '../../../lib/units.ts';
import { placeText } from '../../../model/part.ts';
import { killChosen, retryChosen, skipChosen, type TaskSelection, unskipChosen } from '../../actions/job-actions.ts';
import type { ApiInput, Cause, Status, Task, TaskState } from '../../api-routes.ts';
import { asCallError, type CallError, call } from '../../call.ts';
import { now } from '../../clock.ts';
import { taskHash } from '../../hash.ts';
import { ActionButton } from '../../parts/action-dialog.tsx';
import { Ago, WithNote } from '../../parts/marks.tsx';
import { Empty, Loading, Problem, Section } from '../../parts/section.tsx';
import { Choice, type Column, paramColumns, Table } from '../../parts/table.tsx';
import { replaceQuery, route } from '../../route.ts';
import { changes, useQuery } from '../../use-query.ts';
import { endText } from '../../words/task.ts';

/** Tasks fetched at a time: a job may have a million. */
const PAGE = 50;

const STATES = ['', 'running', 'done', 'failed', 'skipped', 'waiting'] as const;

const STATE_CHOICES = STATES.map((state) => [state, state === '' ? 'all that have started' : state] as const);

/** A job's tasks, filtered by step and state, a page at a time. */
export function TasksPage({ status }: { readonly status: Status }) {
  const refreshes = useSignal(0);
  const { query } = route.value;
  const [step, cause, params] = [query.get('step') ?? '', query.get('cause') ?? '', query.get('params') ?? ''];
  const paramNames = useSignal<readonly string[]>([]);
  const state = cause === '' ? (query.get('state') ?? '') : 'failed';
  const failures = useQuery('failures', state === 'failed' ? { job: status.job } : null);
  const causes = (failures.document?.items ?? []).filter(
    (each) => each.count > 0 && (step === '' || each.step === step),
  );
  const steps = status.steps.map(({ name }) => name);
  const again = (
    <button
      type="button"
      onClick={() => {
        refreshes.value += 1;
      }}
    >
      Refresh
    </button>
  );
  return (
    <Section
      title="Tasks"
      lead={state === 'running' ? 'Running tasks, updated every few seconds.' : 'The list does not update by itself.'}
      tools={again}
    >
      <form class="filter" onSubmit={(event) => event.preventDefault()}>
        <Choice
          id="tasks-step"
          label="Step"
          value={step}
          first
          choices={[['', 'all'], ...steps.map((name) => [name, name] as const)]}
          onValue={(chosen) => replaceQuery({ step: chosen, state, params })}
        />
        <Choice
          id="tasks-state"
          label="State"
          value={state}
          choices={STATE_CHOICES}
          onValue={(chosen) => replaceQuery({ step, state: chosen, params })}
        />
        {state === 'failed' && (
          <Choice
            id="tasks-cause"
            label="Cause"
            value={cause}
            choices={[['', 'any'], ...causeChoices(causes, cause)]}
            onValue={(chosen) => replaceQuery({ step, state, cause: chosen, params })}
          />
        )}
      </form>
      <GoTo job={status.job} step={step === '' ? (steps[0] ?? '') : step} />
      {(params !== '' || paramNames.value.length > 0) && (
        <ParamsFilter
          key={params}
          names={paramNames.value}
          value={params}
          onValue={(text) => replaceQuery({ step, state, cause, params: text })}
        />
      )}
      <Pages
        key={`${step} ${state} ${cause} ${params} ${refreshes.value} ${changes.value}`}
        job={status.job}
        step={step}
        state={state}
        cause={cause}
        params={params}
        paramNames={paramNames}
        matching={params === '' ? matchingOf(status, { step, state, cause }, causes) : null}
      />
    </Section>
  );
}

const causeChoices = (causes: readonly Cause[], chosen: string): readonly (readonly [string, string])[] => [
  ...causes.map(({ cause, error, reason }) => [cause, `${cause}: ${(error ?? reason).slice(0, 60)}`] as const),
  ...(chosen !== '' && causes.every(({ cause }) => cause !== chosen) ? [[chosen, chosen] as const] : []),
];

/** How many tasks match a filter; null if that is unknown. */
function matchingOf(
  { steps }: Status,
  { step, state, cause }: Pick<FilterProps, 'step' | 'state' | 'cause'>,
  causes: readonly Cause[],
): number | null {
  if (cause !== '') return causes.find((each) => each.cause === cause)?.count ?? null;
  if (state !== 'failed' && state !== 'running' && state !== 'skipped') return null;
  return steps.filter(({ name }) => step === '' || name === step).reduce((sum, each) => sum + each[state], 0);
}

/** Opens one task. A number without a step means the chosen step. */
function GoTo({ job, step }: { readonly job: string; readonly step: string }) {
  const text = useSignal('');
  const go = (): void => {
    const task = text.value.trim();
    location.hash = taskHash(job, task.includes('/') ? task : `${step}/${task}`);
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
        id="tasks-go"
        type="search"
        required
        autocomplete="off"
        spellcheck={false}
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

/** The pairs of `lr=0.1, seed=3`. A value may contain a comma that no other name follows. */
const pairsOf = (text: string): readonly string[] =>
  text
    .split(/,\s*(?=[A-Za-z_]\w*=)/)
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '');

/** Keeps tasks with these values of their parameters. */
function ParamsFilter({ names, value, onValue }: ParamsFilterProps) {
  const text = useSignal(value);
  return (
    <form
      class="filter"
      onSubmit={(event) => {
        event.preventDefault();
        onValue(text.value.trim());
      }}
    >
      <label for="tasks-params">Parameters</label>
      <input
        id="tasks-params"
        type="search"
        autocomplete="off"
        spellcheck={false}
        title="NAME=VALUE, several with commas; empty for all tasks"
        placeholder={names.map((name) => `${name}=...`).join(', ')}
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
        }}
      />
      <button type="submit">Filter</button>
    </form>
  );
}

interface ParamsFilterProps {
  readonly names: readonly string[];
  readonly value: string;
  readonly onValue: (text: string) => void;
}

/** A filter; '' for any. */
interface FilterProps {
  readonly job: string;
  readonly step: string;
  readonly state: string;
  readonly cause: string;
  /** `lr=0.1, seed=3` */
  readonly params: string;
}

interface PagesProps extends FilterProps {
  readonly matching: number | null;
  /** Set to the parameters of the tasks that are shown. */
  readonly paramNames: Signal<readonly string[]>;
}

function Pages({ matching, paramNames, ...filter }: PagesProps) {
  const { job, state } = filter;
  const names = useSignal<ReadonlySet<string>>(new Set());
  const all = useSignal(false);
  const choice: ChoiceState = {
    names: names.value,
    all: all.value,
    choose: (next, every = false) => {
      names.value = next;
      all.value = every;
    },
  };
  const choosable = state === 'failed' || state === 'running' || state === 'skipped';
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
      ...inputOf(filter),
      ...(last !== undefined && { after: `${last.step}/${last.task}` }),
    };
    try {
      const { document } = await call('tasks', input, stop.peek().signal);
      tasks.value = [...tasks.peek(), ...document.items];
      if (tasks.value.length > 0) paramNames.value = paramNamesOf(tasks.value);
      more.value = document.next !== null;
      error.value = null;
    } catch (caught) {
      if (stop.peek().signal.aborted) return;
      error.value = asCallError(caught);
    }
    busy.value = false;
  };
  useEffect(() => {
    void load();
    return () => stop.peek().abort();
  }, []);
  // Pages that were added stay as they are: another page may begin elsewhere by now.
  const isFirst = tasks.value.length <= PAGE;
  const newest = useQuery('tasks', state === 'running' && isFirst ? inputOf(filter) : null, {
    everyMs: RUNNING_MS,
  }).document;
  useEffect(() => {
    if (newest === null || tasks.peek().length > PAGE) return;
    tasks.value = newest.items;
    more.value = newest.next !== null;
    const running = new Set(newest.items.map(nameOf));
    names.value = new Set([...names.peek()].filter((name) => running.has(name)));
  }, [newest]);
  if (tasks.value.length === 0 && busy.value) return <Loading what="tasks" />;
  return (
    <>
      {error.value !== null && <Problem error={error.value} again={() => void load()} />}
      {tasks.value.length === 0 && error.value === null && (
        <Empty>
          {state === '' && filter.params === ''
            ? 'No tasks have started yet. Choose the state waiting to see tasks that wait.'
            : 'No tasks match.'}
        </Empty>
      )}
      {choosable && tasks.value.length > 0 && (
        <BulkActions {...filter} choice={choice} matching={matching} shown={tasks.value} />
      )}
      {tasks.value.length > 0 && (
        <Table
          caption="Tasks"
          rows={tasks.value}
          columns={taskColumns(job, choosable ? choice : null, tasks.value)}
          keyOf={nameOf}
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

/** Milliseconds between updates of running tasks. */
const RUNNING_MS = 5_000;

/** The first page of a filter. */
const inputOf = ({ job, step, state, cause, params }: FilterProps): ApiInput<'tasks'> => ({
  job,
  limit: PAGE,
  ...(step !== '' && { step }),
  ...(state !== '' && { state: state as TaskState }),
  ...(cause !== '' && { cause }),
  ...(params !== '' && { param: pairsOf(params) }),
});

const state = {
  title: 'state',
  cell: (task: Task) => <span class={task.state.startsWith('fail') ? 'bad strong' : ''}>{task.state}</span>,
};

function DurationCell({ task: { state, startedAt, endedAt } }: { readonly task: Task }) {
  const running = state === 'running' && endedAt === null;
  if (startedAt === null || (endedAt === null && !running)) return <>–</>;
  const end = endedAt === null ? now.value : Date.parse(endedAt);
  return (
    <WithNote note={running && 'so far'}>{formatDuration(Math.max(0, end - Date.parse(startedAt)) / 1_000)}</WithNote>
  );
}

function LastLineCell({ task }: { readonly task: Task }) {
  const how = endText(task);
  if (how === null && task.error === null) return <span class="unknown">–</span>;
  return <WithNote note={how}>{task.error !== null && <span class="error">{task.error}</span>}</WithNote>;
}

const nameOf = ({ step, task }: Task): string => `${step}/${task}`;

/** Where parts lie in their input, with its name; whole inputs where they tell tasks apart. */
function originColumns(tasks: readonly Task[]): readonly Column<Task>[] {
  if (tasks.some(({ place }) => place !== null)) return [{ title: 'part', cell: PartCell }];
  return shouldShowInputs(tasks) ? [{ title: 'input', cell: ({ input }) => input ?? '–' }] : [];
}

function PartCell({ place, input }: Task) {
  if (input === null) return <span class="unknown">–</span>;
  return <WithNote note={input}>{place === null ? 'whole' : placeText(place)}</WithNote>;
}

const taskColumns = (job: string, choice: ChoiceState | null, tasks: readonly Task[]): readonly Column<Task>[] => [
  {
    title: 'task',
    cell: (task) => (
      <>
        {choice !== null && <Tick name={nameOf(task)} choice={choice} />}
        <a href={taskHash(job, nameOf(task))}>{nameOf(task)}</a>
      </>
    ),
  },
  ...originColumns(tasks),
  ...paramColumns(tasks),
  state,
  { title: 'attempts', kind: 'number', cell: ({ attempts }) => attempts ?? '–' },
  { title: 'duration', kind: 'number', cell: (task) => <DurationCell task={task} /> },
  { title: 'ended', kind: 'number', cell: ({ endedAt }) => <Ago at={endedAt} /> },
  { title: 'worker', cell: ({ worker }) => (worker === null ? '–' : <code>{worker}</code>) },
  { title: 'last line', kind: 'text', cell: (task) => <LastLineCell task={task} /> },
];

/** Tasks chosen for an action: some by name, or all that match the filter. */
interface ChoiceState {
  readonly names: ReadonlySet<string>;
  readonly all: boolean;
  readonly choose: (names: ReadonlySet<string>, all?: boolean) => void;
}

function Tick({ name, choice }: { readonly name: string; readonly choice: ChoiceState }) {
  const { names, all, choose } = choice;
  const toggle = (): void => {
    const next = new Set(names);
    if (!next.delete(name)) next.add(name);
    choose(next);
  };
  return (
    <input
      type="checkbox"
      class="tick"
      aria-label={`Select ${name}`}
      checked={all || names.has(name)}
      onChange={toggle}
    />
  );
}

interface BulkProps extends FilterProps {
  readonly choice: ChoiceState;
  readonly shown: readonly Task[];
  /** How many match the filter; null if unknown. */
  readonly matching: number | null;
}

/** Chooses shown tasks, or all that match, and acts on them by one call. */
function BulkActions({ job, step, state, cause, choice, shown, matching }: BulkProps) {
  const { names, all, choose } = choice;
  const count = all ? (matching ?? 0) : names.size;
  const whole = shown.length > 0 && (all || shown.every((task) => names.has(nameOf(task))));
  const of = [...(step === '' ? [] : [`of ${step}`]), ...(cause === '' ? [] : [`with cause ${cause}`])].join(' ');
  const what = `${state} tasks${of === '' ? '' : ` ${of}`}`;
  const name = all
    ? `all ${formatCount(count)} ${what}`
    : count === 1
      ? `task ${[...names][0]}`
      : formatMany(count, 'task');
  const chosen: TaskSelection = {
    job,
    name,
    count,
    tasks: all ? [] : [...names],
    step: all ? step : '',
    cause: all ? cause : '',
  };
  // All that match are shown: a filter says so better than their names.
  const oneCall = matching === shown.length && (step !== '' || cause !== '');
  const filtered = !all || step !== '' || cause !== '';
  return (
    <fieldset class="bulk" aria-label="Selected tasks">
      <label>
        <input
          type="checkbox"
          class="tick"
          checked={whole}
          onChange={() => choose(whole ? new Set() : new Set(shown.map(nameOf)), !whole && oneCall)}
        />
        {count === 0 ? `Select the ${formatMany(shown.length, 'task')} shown` : `${formatCount(count)} selected`}
      </label>
      {whole && !all && matching !== null && matching > shown.length && (
        <button type="button" onClick={() => choose(new Set(), true)}>
          Select all {formatCount(matching)} that match
        </button>
      )}
      {count > 0 && (
        <button type="button" class="quiet" onClick={() => choose(new Set())}>
          Clear
        </button>
      )}
      {count > 0 && (
        <div class="tools">
          {state === 'failed' && <ActionButton action={retryChosen(chosen)} />}
          {state === 'failed' && filtered && <ActionButton action={skipChosen(chosen)} />}
          {state === 'skipped' && filtered && <ActionButton action={unskipChosen(chosen)} />}
          {state === 'running' && (all ? step !== '' : count === 1) && <ActionButton action={killChosen(chosen)} />}
          {!filtered && state !== 'running' && <span class="muted">Choose a step or a cause to skip.</span>}
          {state === 'running' && !(all ? step !== '' : count === 1) && (
            <span class="muted">To kill, select one task, or all of a step.</span>
          )}
        </div>
      )}
    </fieldset>
  );
}
