import { formatCount } from '../../../cli/format.ts';
import type { Status, StepStatus } from '../../answers.ts';
import { hashOf } from '../../hash.ts';
import { ProgressBar, ProgressLegend } from '../../parts/marks.tsx';
import { Section } from '../../parts/section.tsx';
import { type Column, Table } from '../../parts/table.tsx';

const count = (title: 'waiting' | 'running' | 'done' | 'skipped', job: string): Column<StepStatus> => ({
  ...{ title, kind: 'number' },
  cell: (step) => <Count job={job} step={step} state={title} />,
});

/** Each step as a bar, and in numbers that lead to the tasks behind them. */
export function Steps({ status: { job, steps } }: { readonly status: Status }) {
  const columns: readonly Column<StepStatus>[] = [
    {
      title: 'step',
      cell: ({ name, group }) => (
        <>
          <a href={hashOf(['jobs', job, 'tasks'], { step: name })}>{name}</a>
          <small>group {group}</small>
        </>
      ),
    },
    {
      ...{ title: 'progress', kind: 'text' },
      cell: (step) =>
        step.total === null ? (
          <span class="unknown">not opened yet</span>
        ) : (
          <ProgressBar name={step.name} progress={step} />
        ),
    },
    { title: 'tasks', kind: 'number', cell: ({ total }) => (total === null ? '?' : formatCount(total)) },
    count('waiting', job),
    count('running', job),
    count('done', job),
    { title: 'failed', kind: 'number', cell: (step) => <Count job={job} step={step} state="failed" /> },
    count('skipped', job),
    { title: 'tried again', kind: 'number', cell: ({ retried }) => formatCount(retried) },
  ];
  return (
    <Section title="Steps" lead={<ProgressLegend />}>
      <Table caption="Steps" rows={steps} columns={columns} keyOf={({ name }) => name} />
    </Section>
  );
}

interface CountProps {
  readonly job: string;
  readonly step: StepStatus;
  readonly state: 'waiting' | 'running' | 'done' | 'failed' | 'skipped';
}

function Count({ job, step, state }: CountProps) {
  const found = step[state];
  if (found === 0) return <span class="muted">0</span>;
  return (
    <a
      href={hashOf(['jobs', job, 'tasks'], { step: step.name, state })}
      class={state === 'failed' ? 'bad strong' : 'plain'}
      aria-label={`${formatCount(found)} ${state} tasks of ${step.name}`}
    >
      {formatCount(found)}
    </a>
  );
}
