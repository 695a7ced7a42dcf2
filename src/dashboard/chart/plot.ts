import uPlot from 'uplot';
import { formatCount } from '../../cli/format.ts';
import type { Columns } from './bins.ts';

/** Draws the two plots of a job's course below each other; they share their time axis and the pointer. Answers what removes them. */
export function drawPlots(holder: HTMLElement, columns: Columns): () => void {
  const style = getComputedStyle(holder);
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  const axis = {
    stroke: colour('muted'),
    grid: { stroke: colour('line'), width: 1 },
    ticks: { show: false },
    font: '12px system-ui, sans-serif',
  };
  const width = Math.max(240, holder.clientWidth);
  const shared = {
    width,
    legend: { live: true },
    cursor: { sync: { key: 'job' }, drag: { x: false, y: false }, y: false },
    padding: [8, 8, 0, 0] as uPlot.Padding,
  };
  const values = (_: uPlot, splits: number[]): string[] => splits.map(short);
  const axes = [
    { ...axis, values: (_: uPlot, splits: number[]) => clockTexts(splits) },
    { ...axis, size: 48, values },
  ];
  const value = (_: uPlot, found: number | null): string => (found === null || found === undefined ? '–' : short(found));
  const time = { value: (_: uPlot, at: number | null) => (at === null ? '–' : clockText(at, true)), label: 'time' };
  const bars = uPlot.paths.bars?.({ size: [1, 100], align: 1, gap: 0 });
  const stepped = uPlot.paths.stepped?.({ align: 1 });
  const done = new uPlot(
    {
      ...{ ...shared, height: 190, axes },
      scales: { y: { range: (_, __, max) => [0, Math.max(1, max * 1.05)] } },
      series: [
        time,
        {
          ...{ label: `done a ${columns.unit}`, fill: colour('done'), width: 0, points: { show: false }, value },
          ...(bars && { paths: bars }),
        },
        {
          ...{ label: 'attempts that did not end well', stroke: colour('failed'), width: 0, value },
          points: { show: true, size: 7, fill: colour('failed'), filter: troubled },
        },
      ],
    },
    [[...columns.at], [...columns.rate], [...columns.trouble]],
    holder,
  );
  const running = new uPlot(
    {
      ...{ ...shared, height: 130, axes },
      scales: { y: { range: (_, __, max) => [0, Math.max(1, max * 1.1)] } },
      series: [
        time,
        {
          ...{ label: 'attempts running', stroke: colour('running'), fill: colour('running'), width: 1, value },
          ...{ points: { show: false }, ...(stepped && { paths: stepped }) },
        },
        {
          ...{ label: 'slots of the workers there', stroke: colour('text'), dash: [5, 3], width: 1.5, value },
          ...{ points: { show: false }, ...(stepped && { paths: stepped }) },
        },
      ],
    },
    [[...columns.at], [...columns.running], [...columns.slots]],
    holder,
  );
  const resize = new ResizeObserver(() => {
    const now = Math.max(240, holder.clientWidth);
    for (const plot of [done, running]) if (plot.width !== now) plot.setSize({ width: now, height: plot.height });
  });
  resize.observe(holder);
  return () => {
    resize.disconnect();
    done.destroy();
    running.destroy();
  };
}

/** A point only where there is something to tell of. */
const troubled: uPlot.Series.Points.Filter = (plot, index) => {
  if (index !== 2) return null;
  return [...(plot.data[2] ?? [])].flatMap((count, i) => (count === null || count === undefined || count === 0 ? [] : [i]));
};

const short = (value: number): string => (value < 10 ? String(Number(value.toFixed(1))) : formatCount(Math.round(value)));

const clockText = (at: number, seconds: boolean): string =>
  new Date(at * 1_000).toLocaleTimeString('en-GB', {
    ...{ hour: '2-digit', minute: '2-digit' },
    ...(seconds && { second: '2-digit' }),
  });

/** With seconds where ticks lie closer than a minute, and the day where it is another. */
function clockTexts(splits: readonly number[]): string[] {
  const [first = 0, second = first + 60] = splits;
  return splits.map((at, i) => {
    const before = splits[i - 1];
    const day = (instant: number): string =>
      new Date(instant * 1_000).toLocaleDateString('en-GB', { day: 'numeric', month: 'short' });
    const isNewDay = before !== undefined && day(before) !== day(at);
    return isNewDay ? `${day(at)}` : clockText(at, second - first < 60);
  });
}
