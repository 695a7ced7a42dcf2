import { formatDuration, formatSize } from '../lib/units.ts';
import type { Figure } from '../model/report/compare.ts';
import { formatCount, formatRate } from './format.ts';

/** A figure as text; `-` if unknown. A count per task is a percentage. */
export function formatFigure(value: number | null, { unit, perTask }: Pick<Figure, 'unit' | 'perTask'>): string {
  if (value === null) return '-';
  if (perTask && unit === 'count') return formatShare(value);
  switch (unit) {
    case 'seconds':
      return formatDuration(value);
    case 'bytes':
      return formatSize(value);
    case 'perSecond':
      return formatRate(value);
    case 'share':
      return formatShare(value);
    case 'usd':
      return `$${value.toFixed(2)}`;
    case 'count':
    case 'number':
      return Number.isInteger(value) ? formatCount(value) : String(Number(value.toPrecision(4)));
    default:
      return unit satisfies never;
  }
}

/** `0.1%`, `93%` */
export function formatShare(share: number): string {
  const percent = share * 100;
  return `${percent > 0 && percent < 9.95 ? Number(percent.toFixed(1)) : Math.round(percent)}%`;
}

/** `+12%`, `-3%`, `=`; empty if unknown. */
export function formatChange({ before, now, change }: Figure): string {
  if (change === null) return before === 0 && now !== null && now > 0 ? 'new' : '';
  const percent = Math.round(change * 100);
  if (percent === 0) return change === 0 ? '=' : '~';
  return `${percent > 0 ? '+' : ''}${formatCount(percent)}%`;
}

const LEVELS = '▁▂▃▄▅▆▇█';

/** Values as a line of bars, at most `width` columns: neighbours are averaged if there are more. */
export function sparkline(values: readonly number[], width: number): string {
  const columns = Math.min(values.length, width);
  const means = Array.from({ length: columns }, (_, at) => {
    const some = values.slice(
      Math.floor((at * values.length) / columns),
      Math.floor(((at + 1) * values.length) / columns),
    );
    return some.reduce((sum, value) => sum + value, 0) / some.length;
  });
  const most = Math.max(...means);
  return means
    .map((mean) => (mean === 0 || most === 0 ? ' ' : (LEVELS[Math.min(7, Math.floor((mean / most) * 8))] ?? ' ')))
    .join('');
}
