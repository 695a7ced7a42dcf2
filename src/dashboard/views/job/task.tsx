import { formatMany } from '../../../cli/format.ts';
import { formatDuration, formatSize } from '../../../lib/units.ts';
import { PAGE } from '../../../model/api.ts';
import { paramsText, placeText } from '../../../model/part.ts';
import { killChosen, oneTask, retryChosen, skipChosen, unskipChosen } from '../../actions/job-actions.ts';
import type { Status, Task } from '../../api-routes.ts';
import { now } from '../../clock.ts';
import { taskHash } from '../../hash.ts';
import { ActionButton } from '../../parts/action-dialog.tsx';
import { Mark, When, WithNote } from '../../parts/marks.tsx';
import { Command, CopyButton, Empty, LogBox, MorePages, QueryStatus, Section } from '../../parts/section.tsx';
import { type Column, Table } from '../../parts/table.tsx';
import { useList, useQuery } from '../../use-query.ts';
import { isOpen, progressOf } from '../../words/job.ts';
import { historyOf, type TaskPhase } from '../../words/task.ts';

const EVERY_MS = 5_000;
/** While it runs, its log is read more often. */
const LIVE_MS = 2_000;

/** Characters shown from the end of a log. */
const SHOWN = 100_000;

interface TaskProps {
  readonly status: Status;
  readonly step: string;
  readonly number: string;
}

export function TaskPage({ status, step, number }: TaskProps) {
  const { job, state, round } = status;
  const task = `${step}/${number}`;
  const open = isOpen(state);
  const { done, failed, skipped } = progressOf(status);
  const when = `${state} ${round} ${done} ${failed} ${skipped}`;
  const attempts = useQuery('tasks', { job, task }, { when, ...(open && { everyMs: EVERY_MS }) });
  const history = useQuery('history', { job, limit: PAGE.most }, { when });
  const rows = attempts.document?.items;
  const at = status.steps.findIndex(({ name }) => name === step);
  const before = status.steps[at - 1]?.name;
  // Only a task that has not started waits for the task before it; a gather has none of its number.
  const asked = before !== undefined && rows?.length === 0 ? { job, task: `${before}/${number}` } : null;
  const input = useQuery('tasks', asked, { when });
  const made = input.document?.items?.find((row) => row.state === 'done');
  const stretches =
    rows === undefined
      ? null
      : historyOf({
          step,
          task: Number(number),
          attempts: rows,
          open,
          entries: history.document?.items ?? [],
          readyAt: at === 0 ? (status.notBefore ?? status.createdAt) : (made?.endedAt ?? null),
          waitsFor: asked !== null && input.document !== null && made === undefined ? asked.task : null,
        });
  const last = stretches?.at(-1) ?? null;
  return (
    <>
      <Section title={`Task ${task}`} tools={<Tools job={job} task={task} status={status} last={last} />}>
        <QueryStatus query={attempts} what="history" />
        {stretches?.length === 0 && <Empty>It never started: the job ended before.</Empty>}
        {last !== null && <CurrentState last={last} rows={rows ?? []} />}
        {stretches !== null && stretches.length > 0 && (
          <div class="history">
            <Table caption={`History of ${task}`} rows={stretches} columns={COLUMNS} keyOf={({ key }) => key} />
          </div>
        )}
        <p class="note">
          To run this task on your machine, with its input, code and environment:{' '}
          <Command>{`batchctl reproduce ${job} ${task} --run`}</Command>
        </p>
      </Section>
      <Logs job={job} task={task} when={when} running={last?.state === 'running' ? last.attempt : null} open={open} />
    </>
  );
}

interface ToolsProps {
  readonly job: string;
  readonly task: string;
  readonly status: Status;
  readonly last: TaskPhase | null;
}

function Tools({ job, task, status: { state }, last }: ToolsProps) {
  const one = oneTask(job, task);
  const now = state === 'cancelled' ? null : last;
  const pending = now?.state === 'waiting' || now?.state === 'running';
  return (
    <>
      {now?.state === 'failed' && <ActionButton action={retryChosen(one)} />}
      {now?.state === 'running' && <ActionButton action={killChosen(one)} />}
      {(now?.state === 'failed' || (pending && now.from !== null)) && <ActionButton action={skipChosen(one)} />}
      {now?.word === 'skipped' && <ActionButton action={unskipChosen(one)} />}
      <CopyButton text={new URL(taskHash(job, task), location.href).href} copied="Link copied">
        Copy link
      </CopyButton>
    </>
  );
}

function CurrentState({ last, rows }: { readonly last: TaskPhase; readonly rows: readonly Task[] }) {
  const { tone, word, state, from, to, attempt, text } = last;
  const tries = rows.filter((row) => row.attempt !== 'none').length;
  const { input = null, place = null, params = null } = rows[0] ?? {};
  return (
    <p class="task-now">
      <Mark tone={tone}>{word}</Mark>
      <span>
        {state === 'waiting' || state === 'running' ? 'since ' : ''}
        <When at={to ?? from} unknown="not known yet" />
      </span>
      {text !== null && <span class={state === 'failed' ? 'error' : ''}>{text}</span>}
      {attempt !== null && (
        <span>
          on <code>{attempt.worker}</code>
        </span>
      )}
      {input !== null && (
        <span>
          input <code>{input}</code>
          {place !== null && `, ${placeText(place)}`}
        </span>
      )}
      {params !== null && (
        <span>
          with <code>{paramsText(params)}</code>
        </span>
      )}
      {tries > 0 && <span class="muted">{formatMany(tries, 'attempt')}</span>}
    </p>
  );
}

function DurationCell({ stretch: { state, from, to } }: { readonly stretch: TaskPhase }) {
  if (state === 'decision' || from === null) return <span class="unknown">–</span>;
  const end = to === null ? now.value : Date.parse(to);
  const lasting = to === null && (state === 'waiting' || state === 'running');
  if (to === null && !lasting) return <span class="unknown">unknown</span>;
  return <WithNote note={lasting && 'so far'}>{formatDuration(Math.max(0, end - Date.parse(from)) / 1_000)}</WithNote>;
}

const COLUMNS: readonly Column<TaskPhase>[] = [
  { title: 'from', cell: ({ from }) => <When at={from} unknown="not yet" /> },
  { title: 'state', cell: ({ tone, word }) => <Mark tone={tone}>{word}</Mark> },
  { title: 'lasted', kind: 'number', cell: (stretch) => <DurationCell stretch={stretch} /> },
  {
    title: 'attempt',
    cell: ({ attempt }) =>
      attempt === null ? (
        '–'
      ) : (
        <WithNote note={<code>{attempt.attempt}</code>}>
          {attempt.number}
          {attempt.round > 0 && `, round ${attempt.round}`}
        </WithNote>
      ),
  },
  { title: 'worker', cell: ({ attempt }) => (attempt === null ? '–' : <code>{attempt.worker}</code>) },
  {
    title: 'memory',
    kind: 'number',
    cell: ({ attempt }) => (typeof attempt?.peakMemory === 'number' ? formatSize(attempt.peakMemory) : '–'),
  },
  {
    title: 'CPU',
    kind: 'number',
    cell: ({ attempt }) => (typeof attempt?.cpuSeconds === 'number' ? formatDuration(attempt.cpuSeconds) : '–'),
  },
  { title: 'what', kind: 'text', cell: ({ text }) => (text === null ? '–' : <span class="error">{text}</span>) },
];

interface LogsProps {
  readonly job: string;
  readonly task: string;
  readonly when: string;
  readonly running: Task | null;
  readonly open: boolean;
}

/** The attempts' stderr, the latest first; that of a running one grows. */
function Logs({ job, task, when, running, open }: LogsProps) {
  const everyMs = running === null ? EVERY_MS : LIVE_MS;
  const logs = useList('logs', { job, task }, { when, ...(open && { everyMs }) });
  const texts = logs.document?.items;
  return (
    <Section
      title="Logs"
      lead={
        running === null
          ? 'What the attempts wrote to stderr, the latest first.'
          : 'What the attempts wrote to stderr, the latest first. That of the running one follows its end, unless you scroll up.'
      }
    >
      <QueryStatus query={logs} what="logs" />
      <MorePages list={logs}>Show later logs</MorePages>
      {texts?.length === 0 && <Empty>No attempt has written to stderr.</Empty>}
      {[...(texts ?? [])].reverse().map(({ attempt, text }) => (
        <LogText key={attempt} attempt={attempt} text={text} live={attempt === running?.attempt} />
      ))}
    </Section>
  );
}

interface LogTextProps {
  readonly attempt: string;
  readonly text: string;
  readonly live: boolean;
}

function LogText({ attempt, text, live }: LogTextProps) {
  const shown = text.length <= SHOWN ? text : text.slice(-SHOWN);
  return (
    <figure class="log-of">
      <figcaption>
        attempt <code>{attempt}</code>
        {live && ', running'}
        {shown !== text && `, the last ${SHOWN.toLocaleString('en')} characters`}
      </figcaption>
      <LogBox name={`Log of attempt ${attempt}`} text={shown} follow={live} />
    </figure>
  );
}
