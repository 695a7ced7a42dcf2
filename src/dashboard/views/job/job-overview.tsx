import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { formatCount, formatLeft, formatMany, formatRate } from '../../../cli/format.ts';
import { formatDuration, formatSize } from '../../../lib/units.ts';
import type { Report, Status, StepStatus } from '../../api-routes.ts';
import { type Columns, columnsOf } from '../../chart/bins.ts';
import type { Plots } from '../../chart/plot.ts';
import { now, zone } from '../../clock.ts';
import { hashOf, taskHash } from '../../hash.ts';
import { saveBlob } from '../../objects.ts';
import { type Figure, Figures, ProgressBar, ProgressLegend, When, WithNote } from '../../parts/marks.tsx';
import { LazyPart, QueryStatus, Section } from '../../parts/section.tsx';
import { type Column, paramColumns, Table } from '../../parts/table.tsx';
import { isDark } from '../../scheme.ts';
import { useQuery } from '../../use-query.ts';
import {
  type Counter,
  costText,
  countersOf,
  isOpen,
  marginOf,
  progressOf,
  rangeText,
  usageText,
} from '../../words/job.ts';
import { Causes } from './causes.tsx';
import { Findings } from './findings.tsx';

/** The report reads records of all attempts, so it is fetched less often than the status. */
const REPORT_EVERY_MS = 10_000;

export function JobOverview({ status }: { readonly status: Status }) {
  const { job, state, round } = status;
  const open = isOpen(state);
  const report = useQuery('report', { job }, { when: `${state} ${round}`, ...(open && { everyMs: REPORT_EVERY_MS }) });
  const { document } = report;
  return (
    <>
      <Figures figures={figuresOf(status)} />
      <Findings status={status} />
      <Causes status={status} />
      <Steps status={status} report={document} />
      <Counters status={status} />
      <Section
        title="Throughput"
        lead="Tasks done, unsuccessful attempts, and attempts running at a time."
        tools={document !== null && canRenderReport && <SaveReport report={document} />}
      >
        {document === null ? (
          <QueryStatus query={report} what="throughput" />
        ) : (
          <ThroughputChart throughput={document.throughput} />
        )}
      </Section>
      {document !== null && document.timeline.from !== null && (
        <Section title="Timeline of slots" lead="What each slot ran, and when. A click opens the task.">
          <LazyPart load={loadSlots} job={job} timeline={document.timeline} />
        </Section>
      )}
      {document !== null && document.slowest.length > 0 && <Slowest job={job} slowest={document.slowest} />}
    </>
  );
}

/** The report's own style is named by its checksum, which browsers compute only on https and on this machine. */
const canRenderReport = crypto.subtle !== undefined;

/** Saves the report as one HTML file, as `batchctl report --format html` writes it. */
function SaveReport({ report }: { readonly report: Report }) {
  const failed = useSignal(false);
  const save = async (): Promise<void> => {
    failed.value = false;
    try {
      const { renderReportHtml } = await import('../../../cli/report-html/render.ts');
      const { compared: _, ...measured } = report;
      const html = await renderReportHtml(measured, { zone, compared: null });
      saveBlob(new Blob([html], { type: 'text/html' }), `${report.job}-report.html`);
    } catch {
      failed.value = true;
    }
  };
  return (
    <button type="button" onClick={() => void save()}>
      {failed.value ? 'The report could not be made; try again' : 'Download the report'}
    </button>
  );
}

function figuresOf(status: Status): readonly Figure[] {
  const { rate, eta, workers, state } = status;
  const { failed, skipped, retried, interrupted, done } = progressOf(status);
  const open = isOpen(state);
  const cost = costText(status);
  return [
    {
      name: 'Tasks done',
      value: formatCount(done),
      note: rate === null ? (open ? 'no rate yet' : 'in total') : `${formatRate(rate)} recently`,
    },
    endFigure(status, eta),
    deadlineFigure(status),
    { name: 'Cost', value: cost?.main ?? '–', note: cost?.note ?? 'unknown', tone: cost?.tone ?? null },
    {
      name: 'Failed for good',
      value: formatCount(failed),
      tone: failed > 0 ? 'bad' : null,
      note: skipped > 0 ? `${formatMany(skipped, 'task')} skipped` : failed > 0 ? 'see the causes below' : 'no tasks',
    },
    { name: 'Retried', value: formatCount(retried), note: 'failed attempts' },
    { name: 'Interrupted', value: formatCount(interrupted), note: 'attempts returned to the queue' },
    { name: 'Workers', value: formatCount(workers.running), note: formatMany(workers.slots, 'slot') },
  ];
}

function endFigure(status: Status, eta: number | null): Figure {
  const { closedAt, notBefore, projected } = status;
  if (closedAt !== null) return { name: 'Ended', value: <TimeOfDay at={closedAt} />, note: <When at={closedAt} /> };
  if (notBefore !== null && Date.parse(notBefore) > now.value)
    return { name: 'Starts', value: <TimeOfDay at={notBefore} />, note: <When at={notBefore} /> };
  if (projected === null || eta === null) return { name: 'Ends', value: '–', note: 'not known yet' };
  const range = rangeText(status, zone);
  const note = [formatLeft(eta), ...(range === null ? [] : [range])].join('; ');
  return { name: 'Projected end', value: <TimeOfDay at={projected} />, note };
}

function deadlineFigure(status: Status): Figure {
  const margin = marginOf(status, zone, now.value);
  if (margin === null)
    return { name: 'Deadline', value: '–', note: isOpen(status.state) ? 'none; set one with Adjust' : 'none' };
  return { name: 'Deadline', value: margin.margin, note: margin.detail, tone: margin.tone };
}

/** `05:40` */
function TimeOfDay({ at }: { readonly at: string }) {
  return <time dateTime={at}>{new Date(at).toLocaleTimeString('en-GB', { timeStyle: 'short' })}</time>;
}

/** A job's throughput over time. Loads the plotting library when first used. */
function ThroughputChart({ throughput }: { readonly throughput: Report['throughput'] }) {
  const holder = useRef<HTMLDivElement>(null);
  const failed = useSignal(false);
  const columns = columnsOf(throughput);
  const key = JSON.stringify(throughput);
  const dark = isDark();
  const drawn = useRef<{ readonly plots: Plots; readonly dark: boolean } | null>(null);
  useEffect(() => {
    const { current } = holder;
    if (current === null || columns === null) return undefined;
    let wanted = true;
    const draw = (drawPlots: (holder: HTMLElement, columns: Columns) => Plots): void => {
      const before = drawn.current;
      if (!wanted || (before?.dark === dark && before.plots.update(columns))) return;
      // A page that changes its height for a moment would scroll.
      current.style.height = `${current.offsetHeight}px`;
      before?.plots.remove();
      drawn.current = { plots: drawPlots(current, columns), dark };
      current.style.height = '';
    };
    import('../../chart/plot.ts').then(
      ({ drawPlots }) => draw(drawPlots),
      () => {
        failed.value = true;
      },
    );
    return () => {
      wanted = false;
    };
  }, [key, dark]);
  useEffect(() => () => drawn.current?.plots.remove(), []);
  if (columns === null) return <p class="note">No tasks have ended yet.</p>;
  return (
    <figure class="course">
      <div ref={holder} role="img" aria-label={summaryOf(throughput)} />
      {failed.value && <p class="note">The chart could not be loaded. {summaryOf(throughput)}</p>}
    </figure>
  );
}

/** The chart in a sentence, for screen readers. */
function summaryOf({ bins, seconds }: Report['throughput']): string {
  const rates = bins.map(({ done }) => done / seconds);
  const last = rates.at(-2) ?? rates.at(-1) ?? 0;
  const trouble = bins.reduce((sum, { failed, retried, interrupted }) => sum + failed + retried + interrupted, 0);
  const span = formatDuration(bins.length * seconds);
  return `Tasks done over ${span}: peak ${formatRate(Math.max(...rates))}, recently ${formatRate(last)}; ${formatMany(trouble, 'unsuccessful attempt')}.`;
}

/** Counters written by the commands, as control totals compare them. */
function Counters({ status: { job, counters } }: { readonly status: Status }) {
  const rows = countersOf(counters);
  if (rows.length === 0) return null;
  return (
    <Section title="Counters" lead="Sums over completed tasks, by step.">
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

type Slow = Report['slowest'][number];

/** Tasks shown. */
const MOST = 8;

function Slowest({ job, slowest }: { readonly job: string; readonly slowest: Report['slowest'] }) {
  const columns: readonly Column<Slow>[] = [
    { title: 'task', cell: ({ task }) => <a href={taskHash(job, task)}>{task}</a> },
    ...paramColumns(slowest),
    { title: 'duration', kind: 'number', cell: ({ seconds }) => formatDuration(seconds) },
    { title: 'times the median', kind: 'number', cell: ({ times }) => times.toFixed(1) },
    { title: 'attempts', kind: 'number', cell: ({ attempts }) => attempts },
    { title: 'input', kind: 'number', cell: ({ bytesIn }) => (bytesIn === null ? '–' : formatSize(bytesIn)) },
    {
      title: 'peak memory',
      kind: 'number',
      cell: ({ peakMemory }) => (peakMemory === null ? '–' : formatSize(peakMemory)),
    },
    { title: 'worker', cell: ({ worker }) => <code>{worker}</code> },
  ];
  return (
    <Section title="Slowest tasks" lead="By their successful attempts.">
      <Table caption="Slowest tasks" rows={slowest.slice(0, MOST)} columns={columns} keyOf={({ task }) => task} />
    </Section>
  );
}

const count = (title: 'waiting' | 'running' | 'done' | 'skipped', job: string): Column<StepStatus> => ({
  title,
  kind: 'number',
  cell: (step) => <Count job={job} step={step} state={title} />,
});

function Steps({ status: { job, steps }, report }: { readonly status: Status; readonly report: Report | null }) {
  const used = new Map(report?.steps.map((step) => [step.name, step]));
  const columns: readonly Column<StepStatus>[] = [
    {
      title: 'step',
      cell: ({ name, group }) => (
        <WithNote note={`group ${group}`}>
          <a href={hashOf(['jobs', job, 'tasks'], { step: name })}>{name}</a>
        </WithNote>
      ),
    },
    {
      title: 'progress',
      kind: 'text',
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
    { title: 'retried', kind: 'number', cell: ({ retried }) => formatCount(retried) },
    { title: 'memory and CPU', cell: ({ name }) => <UsageCell step={used.get(name)} /> },
  ];
  return (
    <Section title="Steps" lead={<ProgressLegend />}>
      <Table caption="Steps" rows={steps} columns={columns} keyOf={({ name }) => name} />
    </Section>
  );
}

/** Peak memory against what was asked for, and the CPUs used on average. */
function UsageCell({ step }: { readonly step: Report['steps'][number] | undefined }) {
  const words = step === undefined ? null : usageText(step);
  if (step === undefined || words === null) return <span class="unknown">not measured</span>;
  const { memory } = step.needs;
  const share = memory === 0 || step.peakMemory === null ? null : step.peakMemory / memory;
  return (
    <WithNote note={words.note}>
      {words.main}
      {share !== null && (
        <span
          class={`used${share > 1 ? ' over' : ''}`}
          role="img"
          aria-label={`${step.name}: ${Math.round(share * 100)} % of the memory that it asks for`}
        >
          <span style={{ width: `${Math.min(100, share * 100)}%` }} />
        </span>
      )}
    </WithNote>
  );
}

const loadSlots = async () => (await import('./slots.tsx')).SlotsChart;

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
