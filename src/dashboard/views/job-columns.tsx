import { formatCount, formatLeft, formatRate } from '../../cli/format.ts';
import type { Status } from '../answers.ts';
import { now, zone } from '../clock.ts';
import { jobHash } from '../hash.ts';
import { Ago, ProgressBar, StateMark, When } from '../parts/marks.tsx';
import type { Column } from '../parts/table.tsx';
import { costText, marginOf } from '../words/job-notes.ts';
import { percentText, progressOf, reasonText, shareDecided } from '../words/job-state.ts';

function Name({ job, name, runKey }: Status) {
  return (
    <>
      <a href={jobHash(job)} class="name" title={job}>
        {name}
        <span class="sr"> {job}</span>
      </a>
      <small aria-hidden="true">{runKey ?? job}</small>
    </>
  );
}

function ProgressCell(status: Status) {
  const progress = progressOf(status);
  const share = shareDecided(progress);
  const total = progress.total === null ? 'not known yet how many' : formatCount(progress.total);
  return (
    <>
      <ProgressBar name={status.job} progress={progress} />
      <small>
        {formatCount(progress.done)} of {total}
        {share !== null && ` · ${percentText(share)}`}
        {progress.running > 0 && ` · ${formatCount(progress.running)} running`}
      </small>
    </>
  );
}

function Pace({ rate, eta, notBefore }: Status) {
  if (notBefore !== null && Date.parse(notBefore) > now.value) {
    return (
      <small>
        begins <When at={notBefore} />
      </small>
    );
  }
  return (
    <>
      {rate === null ? <span class="unknown">–</span> : formatRate(rate)}
      {eta !== null && <small>{formatLeft(eta)}</small>}
    </>
  );
}

function Deadline(status: Status) {
  const margin = marginOf(status, zone, now.value);
  if (margin === null) return <span class="unknown">none</span>;
  return (
    <>
      <span class={`margin ${margin.tone}`}>{margin.margin}</span>
      <small>{margin.detail}</small>
    </>
  );
}

function Cost(status: Status) {
  const cost = costText(status);
  if (cost === null) return <span class="unknown">–</span>;
  return (
    <>
      <span class={cost.tone ?? ''}>{cost.main}</span>
      <small>{cost.note}</small>
    </>
  );
}

function Failed(status: Status) {
  const { failed, skipped } = progressOf(status);
  return (
    <>
      <span class={failed > 0 ? 'bad strong' : ''}>{formatCount(failed)}</span>
      {skipped > 0 && <small>{formatCount(skipped)} skipped</small>}
    </>
  );
}

function StateCell({ state, reason }: Status) {
  return (
    <>
      <StateMark state={state} />
      {reason !== null && <small>{reasonText(reason)}</small>}
    </>
  );
}

const COST: Column<Status> = { title: 'cost', cell: Cost, kind: 'number' };

/** A column of what nobody knows is none. */
const costOf = (jobs: readonly Status[]): readonly Column<Status>[] =>
  jobs.some((job) => costText(job) !== null) ? [COST] : [];

export const openColumns = (jobs: readonly Status[]): readonly Column<Status>[] => [
  { title: 'job', cell: Name },
  { title: 'state', cell: StateCell },
  { title: 'progress', cell: ProgressCell, kind: 'text' },
  { title: 'rate', cell: Pace, kind: 'number' },
  { title: 'deadline', cell: Deadline },
  ...costOf(jobs),
  { title: 'failed', cell: Failed, kind: 'number' },
];

export const endedColumns = (jobs: readonly Status[]): readonly Column<Status>[] => [
  { title: 'job', cell: Name },
  { title: 'state', cell: StateCell },
  { title: 'tasks done', cell: (status) => formatCount(progressOf(status).done), kind: 'number' },
  { title: 'failed', cell: Failed, kind: 'number' },
  { title: 'deadline', cell: Deadline },
  ...costOf(jobs),
  { title: 'ended', cell: ({ closedAt }) => <Ago at={closedAt} />, kind: 'number' },
];
