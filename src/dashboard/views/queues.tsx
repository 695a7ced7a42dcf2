import { formatCount } from '../../cli/format.ts';
import { formatDuration } from '../../lib/units.ts';
import { redrive } from '../actions/grid-actions.ts';
import type { Queue } from '../api-routes.ts';
import { overview } from '../feed/feed.ts';
import { ActionButton } from '../parts/action-dialog.tsx';
import { BadCount, WithNote } from '../parts/marks.tsx';
import { Empty, Loading, Section } from '../parts/section.tsx';
import { type Column, Table } from '../parts/table.tsx';
import { hasUrgentDeadLetters } from '../words/attention.ts';

export function QueuesView() {
  const seen = overview.value;
  if (seen === null) return <Loading what="queues" />;
  return (
    <>
      <h1>Queues</h1>
      <Section title="By group" lead="Numbers of messages, which are approximate.">
        {seen.queues.length === 0 ? (
          <Empty command="batchctl submit JOBFILE">
            There are no queues yet. The first job of a group creates its queue.
          </Empty>
        ) : (
          <Table caption="Queues" rows={seen.queues} columns={COLUMNS} keyOf={({ group }) => group} />
        )}
      </Section>
    </>
  );
}

const count = (title: string, note: string, of: (queue: Queue) => number): Column<Queue> => ({
  title,
  kind: 'number',
  cell: (queue) => <WithNote note={note}>{formatCount(of(queue))}</WithNote>,
});

const needsAttention = (queue: Queue): boolean =>
  overview.value !== null && hasUrgentDeadLetters(queue, overview.value.jobs);

const COLUMNS: readonly Column<Queue>[] = [
  { title: 'group', cell: ({ group }) => group },
  count('visible', 'ready for workers', ({ visible }) => visible),
  count('leased', 'held by workers', ({ leased }) => leased),
  count('delayed', 'not due yet', ({ delayed }) => delayed),
  {
    title: 'oldest',
    kind: 'number',
    cell: ({ oldest }) => (
      <WithNote note="time in the queue">{oldest === null ? '–' : formatDuration(oldest)}</WithNote>
    ),
  },
  {
    title: 'dead letters',
    kind: 'number',
    cell: (queue) => (
      <WithNote note="failed for good, or unreadable">
        <BadCount bad={needsAttention(queue)}>{queue.dead}</BadCount>
      </WithNote>
    ),
  },
  {
    title: 'actions',
    kind: 'tools',
    cell: (queue) => queue.dead > 0 && <ActionButton action={redrive(queue)} />,
  },
];
