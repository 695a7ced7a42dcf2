import { formatSize } from '../../lib/units.ts';
import type { Distribution, Report, StepReport } from '../../model/answers/report.ts';
import { groupBy } from '../../model/group-by.ts';
import { formatCount } from '../format.ts';
import { measuredText } from '../report-figures.ts';
import { formatOrUnknown, formatSeconds, formatShort } from './figures.ts';
import { type Column, countColumn, type Html, html, section, table } from './html.ts';
import {
  baseAxis,
  chart,
  columns,
  durationTicks,
  LAYOUTS,
  type LogScale,
  labelRows,
  labelsThatFit,
  logScale,
  n,
  niceTicks,
  percent,
  stretchedBox,
  tip,
  valueAxis,
  WIDE,
} from './svg.ts';

/** Pixels. */
const ROW = 17;
const PLOT = 96;

/** One logarithmic axis for all steps, so that they can be compared by eye. */
function commonScale(distributions: readonly Distribution[]): LogScale {
  return logScale(
    distributions.flatMap(({ min, max, bins }) => [
      min,
      max,
      ...bins.filter(({ count }) => count > 0).flatMap(({ from, to }) => [from, to]),
    ]),
  );
}

interface DurationChartOptions {
  readonly id: string;
  /** The measured quantity: `Durations of price`. */
  readonly title: string;
  readonly distribution: Distribution;
  readonly scale: LogScale;
}

/** The distribution of durations: a histogram over a logarithmic axis, with p50, p95, p99 and the maximum marked. */
function durationChart({ id, title, distribution, scale }: DurationChartOptions): Html {
  const marks = marksOf(distribution, scale);
  const placed = LAYOUTS.map((layout) => ({ ...layout, labels: labelRows(marks, layout.pixels) }));
  const rows = 1 + Math.max(...placed.flatMap(({ labels }) => labels.map(({ row }) => row)));
  const top = rows * ROW + 4;
  const largest = Math.max(...distribution.bins.map(({ count }) => count));
  const ticks = niceTicks(largest, 3, true);
  const text = `Half of ${formatCount(distribution.count)} took ${formatSeconds(distribution.p50)} or less, 95 of 100 ${formatSeconds(distribution.p95)}, 99 of 100 ${formatSeconds(distribution.p99)}, the longest ${formatSeconds(distribution.max)}.`;
  return chart({ id, title, text, height: top + PLOT + 24 }, [
    valueAxis(ticks, top, PLOT, formatShort),
    baseAxis((pixels) => durationTicks(scale, labelsThatFit(pixels, 5)), top, PLOT),
    stretchedBox(top, PLOT, bars(distribution, scale, ticks.at(-1) ?? 1)),
    placed.map(
      ({ name, labels }) =>
        html`<g class="marks ${name}" aria-hidden="true">${labels.map(({ at, label, row, anchor }) => {
          const base = top - 6 - row * ROW;
          return html`<line x1="${percent(at)}" x2="${percent(at)}" y1="${base + 3}" y2="${top + PLOT}"/><text x="${percent(at)}" y="${base}" text-anchor="${anchor}">${label}</text>`;
        })}</g>`,
    ),
    tips(distribution, scale, top),
  ]);
}

function marksOf({ count, p50, p95, p99, max }: Distribution, scale: LogScale): { at: number; label: string }[] {
  const named = [
    ['p50', p50],
    ['p95', p95],
    ['p99', p99],
    ['max', max],
  ] as const;
  // Quantiles of one or two values mean nothing. Equal ones share a label.
  const shown = count < 3 ? named.filter(([name]) => name === 'max') : named;
  return [...groupBy(shown, ([, seconds]) => formatSeconds(seconds))].map(([text, group]) => {
    const [first, last] = [group[0], group.at(-1)];
    const names = first === last ? first?.[0] : `${first?.[0]}–${last?.[0]}`;
    return { at: scale.at(first?.[1] ?? 0), label: `${names} ${text}` };
  });
}

function bars({ bins }: Distribution, scale: LogScale, max: number): Html {
  return html`${bins.map(({ from, to, count }) => {
    if (count === 0) return null;
    const [left, right] = [scale.at(from) * WIDE, scale.at(to) * WIDE];
    return html`<path class="done bar" d="${columns([count / max], PLOT, left, Math.max(right - left, WIDE / 250))}"/>`;
  })}`;
}

function tips({ bins }: Distribution, scale: LogScale, top: number): Html {
  return html`${bins.map(({ from, to, count }) => {
    if (count === 0) return null;
    const width = Math.max(scale.at(to) - scale.at(from), 0.004);
    const words = `${formatSeconds(from)} to ${formatSeconds(to)}: ${formatCount(count)} tasks`;
    return html`<rect class="hit" x="${percent(scale.at(from))}" y="${n(top)}" width="${percent(width)}" height="${PLOT}">${tip(words)}</rect>`;
  })}`;
}

/** Steps beyond this number appear only in the table, without a chart. */
const CHARTS = 8;

export function stepsSection({ steps }: Report): Html {
  const measured = measuredText(steps);
  return section(
    'steps',
    'Steps',
    measured === null ? null : `CPU and memory are ${measured}: short commands are not measured.`,
    table('Steps', steps, [
      {
        title: 'step',
        value: (step) => html`${step.name}<small>${step.gather ? 'gather, ' : ''}group ${step.group}</small>`,
        as: 'name',
      },
      countColumn('tasks', (step) => step.tasks),
      countColumn('done', (step) => step.done),
      countColumn('failed for good', (step) => step.failed, true),
      countColumn('skipped', (step) => step.skipped),
      countColumn('tried again', (step) => step.retried),
      countColumn('interrupted', (step) => step.interrupted),
      { title: 'in', value: (step) => formatSize(step.bytesIn), as: 'number' },
      { title: 'out', value: (step) => formatSize(step.bytesOut), as: 'number' },
      { title: 'CPU', value: (step) => formatOrUnknown(step.cpuSeconds, formatSeconds), as: 'number' },
      { title: 'peak memory', value: (step) => formatOrUnknown(step.peakMemory, formatSize), as: 'number' },
    ]),
  );
}

export function durationsSection({ steps }: Report): Html {
  return distributions(steps, {
    id: 'durations',
    title: 'How long tasks took',
    lead: 'Successful attempts by step. All steps share one logarithmic axis.',
    of: (step) => step.duration,
    none: 'No task is done yet.',
    columns: ['min', 'mean', 'p50', 'p95', 'p99', 'max', 'sum'],
  });
}

export function waitSection({ steps }: Report): Html {
  return distributions(steps, {
    id: 'wait',
    title: 'How long tasks waited in the queue',
    lead: 'From the time a task was sent, or due, to the start of its first attempt. Long waits with idle slots indicate too few workers in a group, or limits.',
    of: (step) => step.wait,
    none: 'How long tasks waited is not known.',
    columns: ['min', 'mean', 'p50', 'p95', 'p99', 'max'],
  });
}

interface DistributionSection {
  readonly id: string;
  readonly title: string;
  readonly lead: string;
  readonly of: (step: StepReport) => Distribution | null;
  readonly none: string;
  readonly columns: readonly Statistic[];
}

type Statistic = 'min' | 'mean' | 'p50' | 'p95' | 'p99' | 'max' | 'sum';
const EXTRA: readonly Statistic[] = ['min', 'mean', 'sum'];

function distributions(
  steps: readonly StepReport[],
  { id, title, lead, of, none, columns }: DistributionSection,
): Html {
  const measured = steps.flatMap((step) => {
    const distribution = of(step);
    return distribution === null || distribution.count === 0 ? [] : [{ name: step.name, distribution }];
  });
  if (measured.length === 0) return section(id, title, null, html`<p class="note">${none}</p>`);
  const scale = commonScale(measured.map(({ distribution }) => distribution));
  // One or two tasks have no distribution to draw; the table shows them.
  const drawn = measured.filter(({ distribution }) => distribution.count > 2).slice(0, CHARTS);
  const charts = drawn.map(
    ({ name, distribution }, i) =>
      html`<figure><figcaption><b>${name}</b> <span class="muted">${formatCount(distribution.count)} tasks</span></figcaption><div class="plot">${durationChart(
        { id: `${id}-${i}`, title: `${title}: ${name}`, distribution, scale },
      )}</div></figure>`,
  );
  const unmeasured = steps.filter((step) => !measured.some(({ name }) => name === step.name));
  return section(id, title, lead, [
    charts,
    table(
      title,
      measured,
      [
        { title: 'step', value: ({ name }) => name, as: 'name' },
        { title: 'tasks', value: ({ distribution }) => formatCount(distribution.count), as: 'number' },
        ...columns.map(
          (key): Column<(typeof measured)[number]> => ({
            title: key,
            value: ({ distribution }) => formatSeconds(distribution[key]),
            as: 'number',
            ...(EXTRA.includes(key) && { extra: true }),
          }),
        ),
      ],
      'scroll',
    ),
    unmeasured.length > 0 && html`<p class="note">Not known for ${unmeasured.map(({ name }) => name).join(', ')}.</p>`,
  ]);
}
