import type { Status } from '../../answers.ts';
import { Section } from '../../parts/section.tsx';
import { type Column, Table } from '../../parts/table.tsx';
import { type Counter, countersOf } from '../../words/job-notes.ts';

/** What the commands counted: the figures that a control total compares. */
export function Counters({ status: { job, counters } }: { readonly status: Status }) {
  const rows = countersOf(counters);
  if (rows.length === 0) return null;
  return (
    <Section title="Counters" lead="Of the tasks that are done, summed by step.">
      <Table
        caption={`Counters of ${job}`}
        rows={rows}
        columns={COLUMNS}
        keyOf={({ step, name }) => `${step} ${name}`}
      />
    </Section>
  );
}

const COLUMNS: readonly Column<Counter>[] = [
  { title: 'counter', cell: ({ name }) => name },
  { title: 'step', cell: ({ step }) => step },
  { title: 'sum', kind: 'number', cell: ({ value }) => value },
];
