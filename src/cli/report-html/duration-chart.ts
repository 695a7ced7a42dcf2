import type { Distribution } from '../../model/report/report.ts';
import { formatCount } from '../format.ts';
import { baseAxis, LAYOUTS, roomFor, valueAxis } from './axis.ts';
import { type Html, html } from './html.ts';
import { labelRows } from './label-rows.ts';
import { durationTicks, type LogScale, logScale, niceTicks } from './scale.ts';
import { chart, columns, n, stretched, tip, WIDE, x } from './svg.ts';
import { formatSeconds, formatShort } from './words.ts';

/** Pixels. */
const ROW = 17;
const PLOT = 96;

/** One logarithmic axis for all of them, so that steps can be compared by eye. */
export function commonScale(distributions: readonly Distribution[]): LogScale {
  return logScale(
    distributions.flatMap(({ min, max, bins }) => [
      min,
      max,
      ...bins.filter(({ count }) => count > 0).flatMap(({ from, to }) => [from, to]),
    ]),
  );
}

export interface DurationChartOptions {
  readonly id: string;
  /** What was measured: `Durations of price`. */
  readonly title: string;
  readonly distribution: Distribution;
  readonly scale: LogScale;
  /** What is counted: `tasks`. */
  readonly noun: string;
}

/** How durations are spread: a histogram over a logarithmic axis, with p50, p95, p99 and the longest marked. */
export function durationChart({ id, title, distribution, scale, noun }: DurationChartOptions): Html {
  const marks = marksOf(distribution, scale);
  const placed = LAYOUTS.map((layout) => ({ ...layout, labels: labelRows(marks, layout.pixels) }));
  const rows = 1 + Math.max(...placed.flatMap(({ labels }) => labels.map(({ row }) => row)));
  const top = rows * ROW + 4;
  const largest = Math.max(...distribution.bins.map(({ count }) => count));
  const ticks = niceTicks(largest, 3, true);
  const text = `Half of ${formatCount(distribution.count)} took ${formatSeconds(distribution.p50)} or less, 95 of 100 ${formatSeconds(distribution.p95)}, 99 of 100 ${formatSeconds(distribution.p99)}, the longest ${formatSeconds(distribution.max)}.`;
  return chart({ id, title, text, height: top + PLOT + 24 }, [
    valueAxis(ticks, top, PLOT, formatShort),
    baseAxis((pixels) => durationTicks(scale, roomFor(pixels, 5)), top, PLOT),
    stretched(top, PLOT, bars(distribution, scale, ticks.at(-1) ?? 1)),
    placed.map(
      ({ name, labels }) =>
        html`<g class="marks ${name}" aria-hidden="true">${labels.map(({ at, label, row, anchor }) => {
          const base = top - 6 - row * ROW;
          return html`<line x1="${x(at)}" x2="${x(at)}" y1="${base + 3}" y2="${top + PLOT}"/><text x="${x(at)}" y="${base}" text-anchor="${anchor}">${label}</text>`;
        })}</g>`,
    ),
    tips(distribution, scale, top, noun),
  ]);
}

function marksOf({ count, p50, p95, p99, max }: Distribution, scale: LogScale): { at: number; label: string }[] {
  const named = [
    ['p50', p50],
    ['p95', p95],
    ['p99', p99],
    ['max', max],
  ] as const;
  // Of one or two, quantiles say nothing; those that are equal share a label.
  const told = count < 3 ? named.filter(([name]) => name === 'max') : named;
  const groups = new Map<string, { names: string[]; seconds: number }>();
  for (const [name, seconds] of told) {
    const text = formatSeconds(seconds);
    const group = groups.get(text);
    if (group === undefined) groups.set(text, { names: [name], seconds });
    else group.names.push(name);
  }
  return [...groups].map(([text, { names, seconds }]) => ({
    at: scale.at(seconds),
    label: `${names.length === 1 ? names[0] : `${names[0]}–${names.at(-1)}`} ${text}`,
  }));
}

function bars({ bins }: Distribution, scale: LogScale, max: number): Html {
  return html`${bins.map(({ from, to, count }) => {
    if (count === 0) return null;
    const [left, right] = [scale.at(from) * WIDE, scale.at(to) * WIDE];
    return html`<path class="done bar" d="${columns([count / max], PLOT, left, Math.max(right - left, WIDE / 250))}"/>`;
  })}`;
}

function tips({ bins }: Distribution, scale: LogScale, top: number, noun: string): Html {
  return html`${bins.map(({ from, to, count }) => {
    if (count === 0) return null;
    const width = Math.max(scale.at(to) - scale.at(from), 0.004);
    const words = `${formatSeconds(from)} to ${formatSeconds(to)}: ${formatCount(count)} ${noun}`;
    return html`<rect class="hit" x="${x(scale.at(from))}" y="${n(top)}" width="${x(width)}" height="${PLOT}">${tip(words)}</rect>`;
  })}`;
}
