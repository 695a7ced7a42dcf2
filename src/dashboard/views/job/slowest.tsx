import { formatDuration, formatSize } from '../../../lib/units.ts';
import type { Report } from '../../answers.ts';
import { jobHash } from '../../hash.ts';
import { Section } from '../../parts/section.tsx';
import { type Column, Table } from '../../parts/table.tsx';

type Slow = Report['slowest'][number];

/** So many are shown. */
const MOST = 8;

export function Slowest({ job, slowest }: { readonly job: string; readonly slowest: Report['slowest'] }) {
  const columns: readonly Column<Slow>[] = [
    { title: 'task', cell: ({ task }) => <a href={jobHash(job, 'tasks', ...task.split('/'))}>{task}</a> },
    { title: 'took', kind: 'number', cell: ({ seconds }) => formatDuration(seconds) },
    { title: 'times the median', kind: 'number', cell: ({ times }) => times.toFixed(1) },
    { title: 'attempts', kind: 'number', cell: ({ attempts }) => attempts },
    { title: 'read', kind: 'number', cell: ({ bytesIn }) => (bytesIn === null ? '–' : formatSize(bytesIn)) },
    { title: 'memory', kind: 'number', cell: ({ peakMemory }) => (peakMemory === null ? '–' : formatSize(peakMemory)) },
    { title: 'worker', cell: ({ worker }) => <code>{worker}</code> },
  ];
  return (
    <Section title="Slowest tasks" lead="Of the attempts that count.">
      <Table caption="Slowest tasks" rows={slowest.slice(0, MOST)} columns={columns} keyOf={({ task }) => task} />
    </Section>
  );
}
