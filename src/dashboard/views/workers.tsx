import { formatCount, formatMany } from '../../cli/format.ts';
import { drain, stop } from '../actions/grid-actions.ts';
import type { Worker } from '../answers.ts';
import { overview } from '../feed/overview.ts';
import { hashOf, taskHash } from '../hash.ts';
import { ActButton } from '../parts/act-button.tsx';
import { Empty, Loading } from '../parts/empty.tsx';
import { Mark } from '../parts/mark.tsx';
import { Section } from '../parts/section.tsx';
import { type Column, Table } from '../parts/table.tsx';
import { Ago } from '../parts/when.tsx';
import type { Tone } from '../words/tone.ts';
import { Groups } from './groups.tsx';

/** Groups with their sizes, and what each worker is doing. */
export function WorkersView() {
  const seen = overview.value;
  if (seen === null) return <Loading what="workers" />;
  const { workers, groups } = seen;
  const busy = workers.filter(({ state }) => state === 'busy').length;
  return (
    <>
      <h1>Workers</h1>
      <Groups groups={groups} />
      <Section
        title="Workers"
        lead={workers.length > 0 && `${formatMany(workers.length, 'worker')}, ${formatCount(busy)} of them busy.`}
      >
        {workers.length === 0 ? (
          <Empty command="batchctl scale 2">
            No worker is up. Waiting work raises a group in auto; a person scales any.
          </Empty>
        ) : (
          <Table
            caption="Workers"
            rows={workers}
            columns={COLUMNS}
            keyOf={({ worker, host, pid }) => worker ?? `${host} ${pid}`}
          />
        )}
      </Section>
    </>
  );
}

const TONES: Readonly<Partial<Record<Worker['state'], Tone>>> = {
  busy: 'open',
  idle: 'good',
  lost: 'bad',
  noWorker: 'bad',
};
const WORDS: Readonly<Partial<Record<Worker['state'], string>>> = { noWorker: 'no worker', lost: 'gone?' };

/** So many tasks of a worker are named. */
const NAMED = 4;

function Busy({ busy }: Worker) {
  if (busy.length === 0) return <span class="unknown">nothing</span>;
  return (
    <ul class="tasks">
      {busy.slice(0, NAMED).map((name) => {
        const [job = '', step = '', task = ''] = name.split('/');
        return (
          <li key={name}>
            <a href={taskHash(job, step, task)} class="plain">
              {name}
            </a>
          </li>
        );
      })}
      {busy.length > NAMED && <li class="muted">and {formatCount(busy.length - NAMED)} more</li>}
    </ul>
  );
}

const COLUMNS: readonly Column<Worker>[] = [
  {
    title: 'worker',
    cell: ({ worker, host, pid }) => (
      <>
        <a href={hashOf(['workers', worker ?? host])}>{worker ?? host}</a>
        <small>{worker === null ? 'instance' : pid === null ? host : `${host}:${pid}`}</small>
      </>
    ),
  },
  {
    title: 'state',
    cell: ({ state, group }) => (
      <>
        <Mark tone={TONES[state] ?? 'doubtful'}>{WORDS[state] ?? state}</Mark>
        <small>group {group}</small>
      </>
    ),
  },
  { title: 'busy with', kind: 'text', cell: Busy },
  { title: 'slots', kind: 'number', cell: ({ slots }) => slots ?? '–' },
  { title: 'done', kind: 'number', cell: ({ done }) => formatCount(done) },
  {
    ...{ title: 'failed', kind: 'number' },
    cell: ({ failed }) => <span class={failed > 0 ? 'bad strong' : ''}>{formatCount(failed)}</span>,
  },
  { title: 'seen', kind: 'number', cell: ({ seen }) => <Ago at={seen} /> },
  { title: 'since', kind: 'number', cell: ({ since }) => <Ago at={since} /> },
  {
    ...{ title: 'actions', kind: 'tools' },
    cell: (row) => {
      const id = row.worker ?? row.instance ?? row.host;
      return (
        <span class="tools">
          {row.state !== 'draining' && row.state !== 'ending' && <ActButton action={drain(id)} />}
          <ActButton action={stop(row, id)} />
        </span>
      );
    },
  },
];
