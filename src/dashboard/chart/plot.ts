import uPlot from 'uplot';
import { formatCount } from '../../cli/format.ts';
import type { Columns } from './bins.ts';

interface Panel {
  readonly height: number;
  readonly data: readonly (readonly (number | null)[])[];
  readonly series: readonly uPlot.Series[];
}

export interface Plots {
  /** Updates the charts in place and keeps the pointer; false if the data needs other panels. */
  readonly update: (columns: Columns) => boolean;
  readonly remove: () => void;
}

/**
 * Draws a job's throughput as stacked panels with a common time axis and pointer: tasks done; unsuccessful attempts, on
 * their own scale; running attempts, with the slots available.
 */
export function drawPlots(holder: HTMLElement, columns: Columns): Plots {
  const style = getComputedStyle(holder);
  const colour: Colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const plots = panelsOf(columns, colour).map((panel) => createPlot(holder, panel, columns, colour));
  const shape = shapeOf(panelsOf(columns, colour));
  const resize = new ResizeObserver(() => {
    const width = widthOf(holder);
    for (const plot of plots) if (plot.width !== width) plot.setSize({ width, height: plot.height });
  });
  resize.observe(holder);
  return {
    update: (next) => {
      const panels = panelsOf(next, colour);
      if (shapeOf(panels) !== shape) return false;
      for (const [at, panel] of panels.entries()) plots[at]?.setData(dataOf(panel, next));
      return true;
    },
    remove: () => {
      resize.disconnect();
      for (const plot of plots) plot.destroy();
    },
  };
}

type Colour = (name: string) => string;

const shapeOf = (panels: readonly Panel[]): string =>
  panels.map(({ series }) => series.map(({ label }) => label).join()).join(';');

function panelsOf(columns: Columns, colour: Colour): readonly Panel[] {
  const bars = uPlot.paths.bars?.({ size: [1, 200], align: 1 });
  const stepped = uPlot.paths.stepped?.({ align: 1 });
  const bar = (label: string, fill: string): uPlot.Series => ({
    label,
    fill: colour(fill),
    stroke: colour(fill),
    width: 0,
    value: valueText,
    points: { show: false },
    ...(bars && { paths: bars }),
  });
  const slots: uPlot.Series = {
    label: 'slots available',
    stroke: colour('text'),
    dash: [5, 3],
    width: 1.5,
    value: valueText,
    points: { show: false },
    ...(stepped && { paths: stepped }),
  };
  return [
    { height: 200, data: [columns.rate], series: [bar(`tasks done per ${columns.unit}`, 'done')] },
    ...(columns.trouble.some((count) => count > 0)
      ? [{ height: 96, data: [columns.trouble], series: [bar('unsuccessful attempts', 'failed')] }]
      : []),
    { height: 130, data: [columns.running, columns.slots], series: [bar('attempts running', 'running'), slots] },
  ];
}

const widthOf = (holder: HTMLElement): number => Math.max(200, holder.clientWidth);

function createPlot(holder: HTMLElement, panel: Panel, columns: Columns, colour: Colour): uPlot {
  const axis = {
    stroke: colour('muted'),
    grid: { stroke: colour('line'), width: 1 },
    ticks: { show: false },
    font: '12px system-ui, sans-serif',
  };
  const options: uPlot.Options = {
    // The right padding leaves room for half of the last time label.
    width: widthOf(holder),
    height: panel.height,
    padding: [10, 30, 0, 0],
    cursor: { sync: { key: 'course' }, drag: { x: false, y: false }, y: false, points: { show: false } },
    scales: { y: { range: (_, __, max) => [0, Math.max(1, max * 1.08)] } },
    axes: [
      { ...axis, size: 28, space: 84, values: (_, splits) => clockTexts(splits) },
      { ...axis, size: 48, space: 28, incrs: WHOLE, values: (_, splits) => splits.map(formatCount) },
    ],
    series: [{ label: 'time', value: (_, found) => (found === null ? '' : clockText(found, true)) }, ...panel.series],
  };
  return new uPlot(options, dataOf(panel, columns), holder);
}

function dataOf({ data }: Panel, { at, seconds }: Columns): uPlot.AlignedData {
  // An extra point gives the last bin its width.
  const ends = [...at, (at.at(-1) ?? 0) + seconds];
  const rows = data.map((values) => [...values, values.at(-1) ?? null]);
  const [first = [], ...rest] = rows;
  // Bars end with the last bin; a line continues to the end of it.
  return [ends, [...first.slice(0, -1), null], ...rest];
}

const valueText = (_: uPlot, found: number | null | undefined): string =>
  found === null || found === undefined ? '' : short(found);
const short = (value: number): string =>
  value < 10 ? String(Number(value.toFixed(1))) : formatCount(Math.round(value));
/** Grid lines only at whole numbers: 1, 2, 5, 10, ... */
const WHOLE = Array.from({ length: 7 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();

const clockText = (at: number, seconds: boolean): string =>
  new Date(at * 1_000).toLocaleTimeString('en-GB', { timeStyle: seconds ? 'medium' : 'short' });
const dayText = (at: number): string =>
  new Date(at * 1_000).toLocaleDateString('en-GB', { day: 'numeric', month: 'short' });

/** Shows seconds if ticks are less than a minute apart, and the date where a new day starts. */
function clockTexts(splits: readonly number[]): string[] {
  const [first = 0, second = first + 60] = splits;
  return splits.map((at, i) => {
    const before = splits[i - 1];
    if (before !== undefined && dayText(before) !== dayText(at)) return dayText(at);
    if (second - first < 1 && !Number.isInteger(at)) return '';
    return clockText(at, second - first < 60);
  });
}
