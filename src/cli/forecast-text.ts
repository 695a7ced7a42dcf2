import { formatDuration, formatSize } from '../lib/units.ts';
import { dollarsText } from '../model/cost/limit.ts';
import type { JobForecast } from '../model/forecast/forecast.ts';
import type { Estimate } from '../model/forecast/section.ts';
import type { Context } from './context.ts';
import { formatCount, formatMany } from './format.ts';
import { renderTable } from './render.ts';

/** `12m (10m to 15m) on 2 slots` */
export function expectedTime({ seconds, slots }: Pick<JobForecast, 'seconds' | 'slots'>): string {
  return `${range(seconds, shortDuration)} on ${formatMany(slots, 'slot')}`;
}

/** A line if the machine was overloaded during the forecast; otherwise none. */
export function loadLines({ load }: Pick<JobForecast, 'load'>): readonly string[] {
  if (load === null) return [];
  const [average, cores] = [load.average.toFixed(1), formatMany(load.cores, 'processor')];
  return [`this machine was busy during the rehearsal (load ${average} on ${cores}), so the ranges are wider`];
}

export async function forecastText(ctx: Context, found: JobForecast): Promise<string> {
  const facts: readonly (readonly [string, string])[] = [
    ['time', `${expectedTime(found)}; ${expectedTime(found.doubled)}`],
    ['tasks', range(found.tasks, count)],
    ['read', range(found.bytesIn, size)],
    ['written', `${range(found.bytesOut, size)}; on disk ${range(found.disk, size)}`],
    ['processor', found.cpuSeconds === null ? 'not measured' : range(found.cpuSeconds, shortDuration)],
    ['memory', found.peakMemory === null ? 'not measured' : `${range(found.peakMemory, size)} a task, at most`],
    ['cost', found.cost === null ? 'not known here' : `about ${dollarsText(found.cost)}`],
  ];
  const width = Math.max(...facts.map(([name]) => name.length));
  const table = await renderTable(ctx, found.steps, [
    { title: 'step', value: ({ name }) => name, min: 6 },
    { title: 'tasks', value: ({ tasks }) => range(tasks, count), align: 'right' },
    { title: 'a task takes', value: ({ taskSeconds }) => range(taskSeconds, shortDuration), align: 'right' },
    { title: 'writes', value: ({ bytesOut }) => range(bytesOut, size), align: 'right' },
  ]);
  const unseen =
    found.unseen.length === 0 ? [] : [`not included, as there was nothing to measure: ${found.unseen.join(', ')}`];
  return [
    ...facts.map(([name, text]) => `${name.padEnd(width)}  ${text}`),
    ...loadLines(found),
    ...unseen,
    '',
    table,
  ].join('\n');
}

/** The expected value, and both ends if they print differently. */
function range({ low, expected, high }: Estimate, format: (value: number) => string): string {
  const [middle, from, to] = [format(expected), format(low), format(high)];
  return from === to ? middle : `${middle} (${from} to ${to})`;
}

const count = (value: number): string => formatCount(Math.round(value));

const size = (value: number): string => formatSize(Math.round(value));

/** With sensible precision: hours without seconds, less than a minute with two digits. */
function shortDuration(seconds: number): string {
  const step =
    seconds >= 7_200 ? 300 : seconds >= 600 ? 60 : seconds >= 120 ? 10 : seconds >= 10 ? 1 : seconds >= 1 ? 0.1 : 0.001;
  return formatDuration(Math.round(Math.round(seconds / step) * step * 1_000) / 1_000);
}
