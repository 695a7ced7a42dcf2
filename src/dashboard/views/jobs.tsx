import { effect, signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { formatCount, formatLeft, formatMany, formatRate } from '../../cli/format.ts';
import { JOB_STATES } from '../../model/job-state.ts';
import { reasonText } from '../../model/reason-text.ts';
import type { Overview, Periods, Status } from '../api-routes.ts';
import { now, zone } from '../clock.ts';
import { overview } from '../feed/feed.ts';
import { hashOf, jobHash } from '../hash.ts';
import { Ago, BadCount, Mark, ProgressBar, StateMark, ToneIcon, When, WithNote } from '../parts/marks.tsx';
import { Empty, Loading, Section } from '../parts/section.tsx';
import { Choice, type Column, Table } from '../parts/table.tsx';
import { replaceQuery, route } from '../route.ts';
import { token, whyDenied } from '../session.ts';
import { useQuery } from '../use-query.ts';
import { attentionOf, groupByJob, type NoticeGroup } from '../words/attention.ts';
import {
  costText,
  isOpen,
  JOB_ORDERS,
  marginOf,
  percentText,
  progressOf,
  shareDecided,
  sortJobs,
  supersededBy,
} from '../words/job.ts';
import { PeriodsSection } from './periods.tsx';

/** Milliseconds between fetches of the period grid, which is also fetched when a job starts or ends. */
const PERIODS_MS = 30_000;

/** The last grid: shown at once when the view is opened again, and without a connection. */
const grid = signal<Periods | null>(null);
effect(() => {
  if (token.value === null) grid.value = null;
});

/** The start page: problems first, then runs by period, open jobs and ended jobs. */
export function JobsView() {
  const seen = overview.value;
  const when = seen?.jobs.map(({ job, state, round }) => `${job} ${state} ${round}`).join() ?? '';
  const { document } = useQuery('periods', { tz: zone }, { everyMs: PERIODS_MS, when });
  useEffect(() => {
    if (document !== null) grid.value = document;
  }, [document]);
  const periods = document ?? grid.value;
  if (seen === null) return <Loading what="jobs" />;
  const { query } = route.value;
  const [name, state, order] = [query.get('name') ?? '', query.get('state') ?? '', query.get('order') ?? ''];
  const shown = seen.jobs.filter((job) => isMatch(job, name, state));
  const open = sortJobs(
    shown.filter((job) => isOpen(job.state)),
    order === '' ? 'deadline' : order,
  );
  const latest = shown.filter((job) => !isOpen(job.state)).sort((a, b) => endOf(b) - endOf(a));
  const ended = sortJobs(latest, order);
  return (
    <>
      <div class="heading">
        <h1>Jobs</h1>
        {whyDenied('submit') === null && (
          <div class="tools">
            <a href={hashOf(['submit'])}>Submit a job</a>
          </div>
        )}
      </div>
      <Attention seen={seen} periods={periods} />
      {periods !== null && <PeriodsSection periods={periods} seen={seen} />}
      {seen.jobs.length > 0 && <Filter name={name} state={state} order={order} />}
      {seen.jobs.length === 0 ? (
        <Empty command="batchctl submit JOBFILE">
          No jobs are open, and none ended within the last day. Submitted jobs appear here.
        </Empty>
      ) : (
        shown.length === 0 && <Empty>No jobs match the filter.</Empty>
      )}
      {open.length > 0 && (
        <Section
          title="Open"
          lead={`${formatMany(open.length, 'job')}${order === '' ? ', the latest against its deadline first' : ''}.`}
        >
          <Table caption="Open jobs" rows={open} columns={openColumns(open)} keyOf={({ job }) => job} />
        </Section>
      )}
      {ended.length > 0 && (
        <Section title="Ended" lead={`${formatMany(ended.length, 'job')} within the last day.`}>
          <Table caption="Ended jobs" rows={ended} columns={endedColumns(ended)} keyOf={({ job }) => job} />
        </Section>
      )}
      {seen.more && <p class="note">Not all jobs are shown. batchctl jobs lists them all.</p>}
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
  ...JOB_STATES.map((state) => [state, state] as const),
];

interface FilterProps {
  readonly name: string;
  readonly state: string;
  readonly order: string;
}

function Filter(kept: FilterProps) {
  const keep = (changed: Partial<FilterProps>): void => replaceQuery({ ...kept, ...changed });
  return (
    <form class="filter" onSubmit={(event) => event.preventDefault()}>
      <label for="filter-name">Job</label>
      <input
        id="filter-name"
        type="search"
        data-filter
        placeholder="name, id or run key"
        value={kept.name}
        onInput={(event) => keep({ name: event.currentTarget.value })}
      />
      <Choice
        id="filter-state"
        label="State"
        value={kept.state}
        choices={STATES}
        onValue={(state) => keep({ state })}
      />
      <Choice
        id="filter-order"
        label="Order"
        value={kept.order}
        choices={JOB_ORDERS}
        onValue={(order) => keep({ order })}
      />
    </form>
  );
}

/** Job names, and other things, shown at first; the rest are folded. */
const NOTICES = 6;
/** Runs of one job that a line links to. */
const MAX_LINKS = 12;

/** The jobs that need a person's attention, most severe first, by name. */
function Attention({ seen, periods }: { readonly seen: Overview; readonly periods: Periods | null }) {
  const groups = groupByJob(attentionOf(seen, zone, now.value, periods));
  if (groups.length === 0) {
    return seen.jobs.some(({ state }) => isOpen(state)) ? (
      <p class="attention calm">
        <ToneIcon tone="good" /> Nothing needs your attention.
      </p>
    ) : null;
  }
  const rest = groups.slice(NOTICES);
  return (
    <section class="attention" aria-label="Needs attention">
      <Notices groups={groups.slice(0, NOTICES)} />
      {rest.length > 0 && (
        <details>
          <summary>and {formatCount(rest.length)} more</summary>
          <Notices groups={rest} />
        </details>
      )}
    </section>
  );
}

function Notices({ groups }: { readonly groups: readonly NoticeGroup[] }) {
  return (
    <ul class="notices">
      {groups.map(({ key, tone, lines }) => (
        <li key={key} class={tone}>
          {lines.map((line) => (
            <p key={line.key}>
              <ToneIcon tone={line.tone} />
              {line.href === null ? (
                <span>
                  {line.text}{' '}
                  {line.links.slice(0, MAX_LINKS).map(({ label, href }) => (
                    <a key={href} class="way" href={href}>
                      {label}
                    </a>
                  ))}
                  {line.links.length > MAX_LINKS && ` and ${formatCount(line.links.length - MAX_LINKS)} more`}
                </span>
              ) : (
                <a href={line.href}>{line.text}</a>
              )}
            </p>
          ))}
        </li>
      ))}
    </ul>
  );
}

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
  const total = progress.total === null ? 'an unknown total' : formatCount(progress.total);
  const decided = share === null ? [] : [percentText(share)];
  const running = progress.running > 0 ? [`${formatCount(progress.running)} running`] : [];
  return (
    <WithNote note={[`${formatCount(progress.done)} of ${total}`, ...decided, ...running].join(' · ')}>
      <ProgressBar name={status.job} progress={progress} />
    </WithNote>
  );
}

function Pace({ rate, eta, notBefore }: Status) {
  if (notBefore !== null && Date.parse(notBefore) > now.value) {
    return (
      <small>
        starts <When at={notBefore} />
      </small>
    );
  }
  return (
    <WithNote note={eta !== null && formatLeft(eta)}>
      {rate === null ? <span class="unknown">–</span> : formatRate(rate)}
    </WithNote>
  );
}

function Deadline(status: Status) {
  const margin = marginOf(status, zone, now.value);
  if (margin === null) {
    const ends = status.projected !== null && status.closedAt === null;
    return (
      <WithNote
        note={
          ends && (
            <>
              ends <Ago at={status.projected} />
            </>
          )
        }
      >
        <span class="unknown">none</span>
      </WithNote>
    );
  }
  return (
    <WithNote note={margin.detail}>
      <span class={`margin ${margin.tone}`}>{margin.margin}</span>
    </WithNote>
  );
}

function Cost(status: Status) {
  const cost = costText(status);
  if (cost === null) return <span class="unknown">–</span>;
  return (
    <WithNote note={cost.note}>
      <span class={cost.tone ?? ''}>{cost.main}</span>
    </WithNote>
  );
}

function Failed(status: Status) {
  const { failed, skipped } = progressOf(status);
  return (
    <WithNote note={skipped > 0 && `${formatCount(skipped)} skipped`}>
      <BadCount>{failed}</BadCount>
    </WithNote>
  );
}

function StateCell(status: Status) {
  const { state, reason, rehearsal } = status;
  const later = state === 'failed' ? supersededBy(status, overview.value?.jobs ?? []) : null;
  return (
    <>
      {later === null ? <StateMark state={state} /> : <Mark tone="doubtful">{state}</Mark>}
      {later !== null && (
        <small>
          run again as <a href={jobHash(later.job)}>{later.job}</a>
        </small>
      )}
      {reason !== null && <small>{reasonText(reason)}</small>}
      {rehearsal !== null && <small>a rehearsal</small>}
    </>
  );
}

const COST: Column<Status> = { title: 'cost', cell: Cost, kind: 'number' };

/** The cost column, unless no cost is known. */
const costOf = (jobs: readonly Status[]): readonly Column<Status>[] =>
  jobs.some((job) => costText(job) !== null) ? [COST] : [];

const openColumns = (jobs: readonly Status[]): readonly Column<Status>[] => [
  { title: 'job', cell: Name },
  { title: 'state', cell: StateCell },
  { title: 'progress', cell: ProgressCell, kind: 'text' },
  { title: 'rate', cell: Pace, kind: 'number' },
  { title: 'deadline', cell: Deadline },
  ...costOf(jobs),
  { title: 'failed', cell: Failed, kind: 'number' },
];

const endedColumns = (jobs: readonly Status[]): readonly Column<Status>[] => [
  { title: 'job', cell: Name },
  { title: 'state', cell: StateCell },
  { title: 'tasks done', cell: (status) => formatCount(progressOf(status).done), kind: 'number' },
  { title: 'failed', cell: Failed, kind: 'number' },
  { title: 'deadline', cell: Deadline },
  ...costOf(jobs),
  { title: 'ended', cell: ({ closedAt }) => <Ago at={closedAt} />, kind: 'number' },
];
