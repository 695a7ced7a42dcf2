import { formatCount, formatMany } from '../../cli/format.ts';
import type { Worker } from '../answers.ts';
import { overview } from '../feed/overview.ts';
import { Empty, Loading, Section } from '../parts/section.tsx';
import { Choice, Table } from '../parts/table.tsx';
import { replaceQuery, route } from '../route.ts';
import { Groups } from './groups.tsx';
import { WORKER_COLUMNS } from './worker-columns.tsx';

/** Groups with their sizes, and what each worker is doing. */
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
        lead={workers.length > 0 && `${formatMany(workers.length, 'worker')}, ${formatCount(busy)} of them busy.`}
      >
        {workers.length === 0 && (
          <Empty command="batchctl scale 2">
            No worker is up. Waiting work raises a group in auto; a person scales any.
          </Empty>
        )}
        {workers.length > 0 && <Filter workers={workers} text={text} state={state} />}
        {workers.length > 0 && shown.length === 0 && <Empty>No worker matches the filter.</Empty>}
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

/** By who it is, where, and what it runs. */
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
        {...{ id: 'filter-worker-state', label: 'State', value: state }}
        choices={[['', 'all'], ...states.map((one) => [one, one === 'noWorker' ? 'no worker' : one] as const)]}
        onValue={(chosen) => replaceQuery({ name: text, state: chosen })}
      />
    </form>
  );
}
