import { formatCount } from '../../cli/format.ts';
import { VERSION } from '../../lib/version.ts';
import { drain, stop } from '../actions/grid-actions.ts';
import type { Worker } from '../answers.ts';
import { hashOf, taskHash } from '../hash.ts';
import { ActButton } from '../parts/act-button.tsx';
import { Ago, Mark } from '../parts/marks.tsx';
import type { Column } from '../parts/table.tsx';
import type { Tone } from '../words/job-state.ts';

const TONES: Readonly<Partial<Record<Worker['state'], Tone>>> = {
  busy: 'open',
  idle: 'good',
  lost: 'bad',
  noWorker: 'bad',
};
/** A state that isn't its own word. */
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

export const WORKER_COLUMNS: readonly Column<Worker>[] = [
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
    cell: ({ state, group, lifecycle, version }) => (
      <>
        <Mark tone={TONES[state] ?? 'doubtful'}>{WORDS[state] ?? state}</Mark>
        <small>group {group}</small>
        {lifecycle !== null && lifecycle !== 'InService' && <small>{lifecycle}</small>}
        {version !== null && version !== VERSION && <small class="doubtful">batchctl {version}</small>}
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
  { title: 'last seen', kind: 'number', cell: ({ seen }) => <Ago at={seen} /> },
  { title: 'up since', kind: 'number', cell: ({ since }) => <Ago at={since} /> },
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
