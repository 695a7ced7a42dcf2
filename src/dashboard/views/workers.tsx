import { formatCount, formatMany } from '../../cli/format.ts';
import type { Tone } from '../../cli/report-html/theme.ts';
import { formatDuration } from '../../lib/units.ts';
import { VERSION } from '../../lib/version.ts';
import { drain, scale, stop } from '../actions/grid-actions.ts';
import type { Group, Worker } from '../api-routes.ts';
import { overview } from '../feed/feed.ts';
import { hashOf, taskHash } from '../hash.ts';
import { ActionButton } from '../parts/action-dialog.tsx';
import { Ago, BadCount, Mark, When } from '../parts/marks.tsx';
import { Empty, Loading, LogBox, QueryStatus, Section } from '../parts/section.tsx';
import { Choice, type Column, Table } from '../parts/table.tsx';
import { replaceQuery, route } from '../route.ts';
import { useQuery } from '../use-query.ts';

export function WorkersView() {
  const seen = overview.value;
  if (seen === null) return <Loading what="workers" />;
  const { workers, groups } = seen;
  const { query } = route.value;
  const [text, state] = [query.get('name') ?? '', query.get('state') ?? ''];
  const shown = workers.filter((worker) => (state === '' || worker.state === state) && isMatch(worker, text));
  const busy = workers.filter((worker) => worker.state === 'busy').length;
  return (
    <>
      <h1>Workers</h1>
      <Groups groups={groups} />
      <Section
        title="Workers"
        lead={workers.length > 0 && `${formatMany(workers.length, 'worker')}, ${formatCount(busy)} busy.`}
      >
        {workers.length === 0 && (
          <Empty command="batchctl scale 2">
            No workers are running. Waiting work raises the size of groups in mode auto; you can scale any group.
          </Empty>
        )}
        {workers.length > 0 && <Filter workers={workers} text={text} state={state} />}
        {workers.length > 0 && shown.length === 0 && <Empty>No workers match the filter.</Empty>}
        {shown.length > 0 && (
          <Table
            caption="Workers"
            rows={shown}
            columns={WORKER_COLUMNS}
            keyOf={({ worker, host, pid }) => worker ?? `${host} ${pid}`}
          />
        )}
      </Section>
    </>
  );
}

/** Searches a worker's id, host, group, instance type, zone and tasks. */
function isMatch({ worker, host, group, type, zone, busy }: Worker, text: string): boolean {
  return [worker, host, group, type, zone, ...busy].some((word) => word?.toLowerCase().includes(text.toLowerCase()));
}

interface FilterProps {
  readonly workers: readonly Worker[];
  readonly text: string;
  readonly state: string;
}

function Filter({ workers, text, state }: FilterProps) {
  const states = [...new Set([...workers.map((worker) => worker.state), ...(state === '' ? [] : [state])])].sort();
  return (
    <form class="filter" onSubmit={(event) => event.preventDefault()}>
      <label for="filter-worker">Worker</label>
      <input
        id="filter-worker"
        type="search"
        data-filter
        placeholder="id, host, group, job"
        value={text}
        onInput={(event) => replaceQuery({ name: event.currentTarget.value, state })}
      />
      <Choice
        id="filter-worker-state"
        label="State"
        value={state}
        choices={[['', 'all'], ...states.map((one) => [one, one === 'noWorker' ? 'no worker' : one] as const)]}
        onValue={(chosen) => replaceQuery({ name: text, state: chosen })}
      />
    </form>
  );
}

function Groups({ groups }: { readonly groups: readonly Group[] }) {
  if (groups.length === 0) return null;
  return (
    <Section title="Groups">
      <Table caption="Worker groups" rows={groups} columns={COLUMNS} keyOf={({ group }) => group} />
      {groups.flatMap(({ group, held, troubles }) => [
        ...(held === null
          ? []
          : [
              <p key={`${group} held`} class="alarm">
                <b>Group {group} is held:</b> the last {held.failed} instances could not be set up
                {held.line !== null && ` (${held.line})`}. Scale the group to try again.
              </p>,
            ]),
        ...troubles.map(({ code, message }) => (
          <p key={`${group} ${code}`} class="alarm">
            <b>
              Group {group}: launches fail ({code}):
            </b>{' '}
            {message}
          </p>
        )),
      ])}
    </Section>
  );
}

const count = (title: string, of: (group: Group) => number | null): Column<Group> => ({
  title,
  kind: 'number',
  cell: (group) => {
    const found = of(group);
    return found === null ? '–' : formatCount(found);
  },
});

const COLUMNS: readonly Column<Group>[] = [
  {
    title: 'group',
    cell: ({ group, mode, until }) => (
      <>
        {group}
        <small>
          {mode}
          {until !== null && (
            <>
              , until <When at={until} />
            </>
          )}
        </small>
      </>
    ),
  },
  {
    title: 'running',
    kind: 'number',
    cell: ({ running, desired, pending, terminating, protected: kept }) => (
      <>
        <span class={running < desired ? 'doubtful strong' : ''}>{formatCount(running)}</span>
        {pending !== null && pending > 0 && <small>{formatCount(pending)} starting</small>}
        {terminating !== null && terminating > 0 && <small>{formatCount(terminating)} terminating</small>}
        {kept !== null && kept > 0 && <small>{formatCount(kept)} protected</small>}
      </>
    ),
  },
  count('desired', ({ desired }) => desired),
  count('min', ({ min }) => min),
  count('max', ({ max }) => max),
  count('waiting', ({ visible }) => visible),
  count('leased', ({ leased }) => leased),
  { title: 'drains in', kind: 'number', cell: ({ drain }) => (drain === null ? '–' : formatDuration(drain)) },
  { title: 'actions', kind: 'tools', cell: (group) => <ActionButton action={scale(group)} /> },
];

const TONES: Readonly<Partial<Record<Worker['state'], Tone>>> = {
  busy: 'open',
  idle: 'good',
  lost: 'bad',
  noWorker: 'bad',
};

/** Names of states that read differently from their codes. */
const WORDS: Readonly<Partial<Record<Worker['state'], string>>> = { noWorker: 'no worker', lost: 'gone?' };

/** Tasks named for each worker. */
const NAMED = 4;

function Busy({ busy }: Worker) {
  if (busy.length === 0) return <span class="unknown">nothing</span>;
  return (
    <ul class="tasks">
      {busy.slice(0, NAMED).map((name) => {
        const [job = '', ...task] = name.split('/');
        return (
          <li key={name}>
            <a href={taskHash(job, task.join('/'))} class="plain">
              {name}
            </a>
          </li>
        );
      })}
      {busy.length > NAMED && <li class="muted">and {formatCount(busy.length - NAMED)} more</li>}
    </ul>
  );
}

const WORKER_COLUMNS: readonly Column<Worker>[] = [
  {
    title: 'worker',
    cell: ({ worker, host, pid, type, zone }) => (
      <>
        <a href={hashOf(['workers', worker ?? host])} class="id">
          {worker ?? host}
        </a>
        <small>{worker === null ? 'instance' : pid === null ? host : `${host}:${pid}`}</small>
        {type !== null && <small>{[type, zone].filter(Boolean).join(', ')}</small>}
      </>
    ),
  },
  {
    title: 'state',
    cell: ({ state, group, lifecycle, version, denied }) => (
      <>
        <Mark tone={TONES[state] ?? 'doubtful'}>{WORDS[state] ?? state}</Mark>
        <small>group {group}</small>
        {lifecycle !== null && lifecycle !== 'InService' && <small>{lifecycle}</small>}
        {state === 'idle' && denied !== null && <small class="alarm">can't end its instance: {denied} is denied</small>}
        {version !== null && version !== VERSION && <small class="doubtful">batchctl {version}</small>}
      </>
    ),
  },
  { title: 'busy with', kind: 'text', cell: Busy },
  { title: 'slots', kind: 'number', cell: ({ slots }) => slots ?? '–' },
  { title: 'done', kind: 'number', cell: ({ done }) => formatCount(done) },
  { title: 'failed', kind: 'number', cell: ({ failed }) => <BadCount>{failed}</BadCount> },
  { title: 'last seen', kind: 'number', cell: ({ seen }) => <Ago at={seen} /> },
  { title: 'started', kind: 'number', cell: ({ since }) => <Ago at={since} /> },
  {
    title: 'actions',
    kind: 'tools',
    cell: (row) => {
      const id = row.worker ?? row.instance ?? row.host;
      return (
        <span class="tools">
          {row.state !== 'draining' && row.state !== 'ending' && <ActionButton action={drain(id)} />}
          <ActionButton action={stop(row, id)} />
        </span>
      );
    },
  },
];

const EVERY_MS = 5_000;

export function WorkerLog({ worker }: { readonly worker: string }) {
  const query = useQuery('workersLogs', { worker }, { everyMs: EVERY_MS });
  const { log = null, boot = null } = query.document ?? {};
  const parts = [
    ['Last lines of its log', log],
    ['Boot log', boot],
  ] as const;
  return (
    <>
      <p class="up">
        <a href="#/workers">Workers</a>
      </p>
      <h1>{worker}</h1>
      <QueryStatus query={query} what="its log" />
      {query.document !== null && !log && !boot && <Empty>The log is empty.</Empty>}
      {parts.map(
        ([name, text]) =>
          text && (
            <Section key={name} title={name}>
              <LogBox name={name} text={text} />
            </Section>
          ),
      )}
    </>
  );
}
