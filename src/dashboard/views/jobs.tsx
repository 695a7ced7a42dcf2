import { formatMany } from '../../cli/format.ts';
import type { State, Status } from '../answers.ts';
import { overview } from '../feed/overview.ts';
import { Empty, Loading, Section } from '../parts/section.tsx';
import { Choice, Table } from '../parts/table.tsx';
import { replaceQuery, route } from '../route.ts';
import { inOrder, isOpen, JOB_ORDERS } from '../words/job-state.ts';
import { Attention } from './attention.tsx';
import { endedColumns, openColumns } from './job-columns.tsx';

/** What is open first, then what ended within a day. */
export function JobsView() {
  const seen = overview.value;
  if (seen === null) return <Loading what="jobs" />;
  const { query } = route.value;
  const [name, state, order] = [query.get('name') ?? '', query.get('state') ?? '', query.get('order') ?? ''];
  const shown = seen.jobs.filter((job) => isMatch(job, name, state));
  const open = inOrder(
    shown.filter((job) => isOpen(job.state)),
    order,
  );
  const latest = shown.filter((job) => !isOpen(job.state)).sort((a, b) => endOf(b) - endOf(a));
  const ended = inOrder(latest, order);
  return (
    <>
      <h1>Jobs</h1>
      <Attention seen={seen} />
      {seen.jobs.length > 0 && <Filter name={name} state={state} order={order} />}
      {seen.jobs.length === 0 ? (
        <Empty command="batchctl submit JOBFILE">
          No job is open, and none ended within the last day. What is submitted shows here.
        </Empty>
      ) : (
        shown.length === 0 && <Empty>No job matches the filter.</Empty>
      )}
      {open.length > 0 && (
        <Section title="Open" lead={formatMany(open.length, 'job')}>
          <Table caption="Open jobs" rows={open} columns={openColumns(open)} keyOf={({ job }) => job} />
        </Section>
      )}
      {ended.length > 0 && (
        <Section title="Ended" lead={`${formatMany(ended.length, 'job')} within the last day.`}>
          <Table caption="Ended jobs" rows={ended} columns={endedColumns(ended)} keyOf={({ job }) => job} />
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
