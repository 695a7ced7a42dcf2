import { formatCount, formatLeft, formatMany, formatRate } from '../../cli/format.ts';
import type { Overview, State, Status } from '../answers.ts';
import { now, zone } from '../clock.ts';
import { overview } from '../feed/overview.ts';
import { jobHash } from '../hash.ts';
import { Empty, Loading } from '../parts/empty.tsx';
import { Sign, StateMark } from '../parts/mark.tsx';
import { ProgressBar } from '../parts/progress-bar.tsx';
import { Section } from '../parts/section.tsx';
import { type Column, Table } from '../parts/table.tsx';
import { Ago, When } from '../parts/when.tsx';
import { replaceQuery, route } from '../route.ts';
import { attentionOf } from '../words/attention.ts';
import { marginOf } from '../words/deadline.ts';
import { costText } from '../words/job-cost.ts';
import { percentText, progressOf, shareDecided } from '../words/progress.ts';
import { isOpen, reasonText } from '../words/state-words.ts';

/** What is open first, then what ended within a day. */
export function JobsView() {
  const seen = overview.value;
  if (seen === null) return <Loading what="jobs" />;
  const { query } = route.value;
  const [name, state] = [query.get('name') ?? '', query.get('state') ?? ''];
  const shown = seen.jobs.filter((job) => isMatch(job, name, state));
  const open = shown.filter((job) => isOpen(job.state));
  const ended = shown.filter((job) => !isOpen(job.state)).sort((a, b) => endOf(b) - endOf(a));
  return (
    <>
      <h1>Jobs</h1>
      <Attention seen={seen} />
      {seen.jobs.length > 0 && <Filter name={name} state={state} />}
      {seen.jobs.length === 0 ? (
        <Empty command="batchctl submit JOBFILE">
          No job is open, and none ended within the last day. What is submitted shows here.
        </Empty>
      ) : (
        shown.length === 0 && <Empty>No job matches the filter.</Empty>
      )}
      {open.length > 0 && (
        <Section title="Open" lead={formatMany(open.length, 'job')}>
          <Table caption="Open jobs" rows={open} columns={OPEN} keyOf={({ job }) => job} />
        </Section>
      )}
      {ended.length > 0 && (
        <Section title="Ended" lead="Within the last day, the latest first.">
          <Table caption="Ended jobs" rows={ended} columns={ENDED} keyOf={({ job }) => job} />
        </Section>
      )}
      {seen.more && <p class="note">There are more jobs than are shown here: batchctl jobs lists them all.</p>}
    </>
  );
}

const endOf = ({ closedAt }: Status): number => Date.parse(closedAt ?? '') || 0;

function isMatch({ job, runKey, state }: Status, text: string, wanted: string): boolean {
  const fits = wanted === '' || (wanted === 'open' ? isOpen(state) : state === wanted);
  return fits && `${job} ${runKey ?? ''}`.toLowerCase().includes(text.toLowerCase());
}

const STATES: readonly (readonly [string, string])[] = [
  ['', 'all'],
  ['open', 'open'],
  ...(['submitted', 'running', 'paused', 'succeeded', 'failed', 'cancelled'] satisfies State[]).map(
    (state): [string, string] => [state, state],
  ),
];

function Filter({ name, state }: { readonly name: string; readonly state: string }) {
  return (
    <form class="filter" onSubmit={(event) => event.preventDefault()}>
      <label for="filter-name">Job</label>
      <input
        id="filter-name"
        type="search"
        data-filter
        placeholder="name, id or run key"
        value={name}
        onInput={(event) => replaceQuery({ name: event.currentTarget.value, state })}
      />
      <label for="filter-state">State</label>
      <select
        id="filter-state"
        value={state}
        onChange={(event) => replaceQuery({ name, state: event.currentTarget.value })}
      >
        {STATES.map(([value, words]) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </select>
    </form>
  );
}

/** So many are told one by one. */
const TOLD = 6;

function Attention({ seen }: { readonly seen: Overview }) {
  const notices = attentionOf(seen, zone, now.value);
  if (notices.length === 0) {
    return seen.jobs.some(({ state }) => isOpen(state)) ? (
      <p class="attention calm">
        <Sign tone="good" /> Nothing needs you.
      </p>
    ) : null;
  }
  return (
    <section class="attention" aria-label="What needs you">
      <ul>
        {notices.slice(0, TOLD).map(({ tone, text, href }) => (
          <li key={text} class={tone}>
            <Sign tone={tone} />
            <a href={href}>{text}</a>
          </li>
        ))}
        {notices.length > TOLD && <li class="muted">and {formatCount(notices.length - TOLD)} more</li>}
      </ul>
    </section>
  );
}

function Name({ job, name, runKey }: Status) {
  return (
    <>
      <a href={jobHash(job)} class="name">
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

const OPEN: readonly Column<Status>[] = [
  { title: 'job', cell: Name },
  { title: 'state', cell: StateCell },
  { title: 'progress', cell: ProgressCell, kind: 'text' },
  { title: 'rate', cell: Pace, kind: 'number' },
  { title: 'deadline', cell: Deadline },
  { title: 'cost', cell: Cost, kind: 'number' },
  { title: 'failed', cell: Failed, kind: 'number' },
];

const ENDED: readonly Column<Status>[] = [
  { title: 'job', cell: Name },
  { title: 'state', cell: StateCell },
  { title: 'tasks done', cell: (status) => formatCount(progressOf(status).done), kind: 'number' },
  { title: 'failed', cell: Failed, kind: 'number' },
  { title: 'deadline', cell: Deadline },
  { title: 'cost', cell: Cost, kind: 'number' },
  { title: 'ended', cell: ({ closedAt }) => <Ago at={closedAt} />, kind: 'number' },
];
