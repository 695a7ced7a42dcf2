import { formatDuration, formatSize } from '../lib/units.ts';
import type { Figure, StepReport } from '../model/answers/report.ts';
import { dollarsText } from '../model/cost/limit.ts';
import { formatCount, formatMany, formatRate, groupDigits, signedDigits } from './format.ts';

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
      return dollarsText(value);
    case 'count':
    case 'number':
      return Number.isInteger(value) ? formatCount(value) : String(Number(value.toPrecision(4)));
    default:
      return unit satisfies never;
  }
}

/** `93%`, `0.4%`, `< 0.1%`: a share of 0 to 1. Never rounded up to 100 %, or down to 0 %. */
export function formatShare(share: number): string {
  const percent = share * 100;
  if (percent > 0 && percent < 0.1) return '< 0.1%';
  const shown =
    percent < 10 || (percent > 99 && percent < 100)
      ? Number((Math.floor(percent * 10) / 10).toFixed(1))
      : Math.round(percent);
  return `${shown}%`;
}

/** `+12%`, `-3%`, `=`; empty if unknown. */
export function formatChange({ before, now, change }: Figure): string {
  if (change === null) return before === 0 && now !== null && now > 0 ? 'new' : '';
  const percent = Math.round(change * 100);
  if (percent === 0) return change === 0 ? '=' : '~';
  return `${percent > 0 ? '+' : ''}${formatCount(percent)}%`;
}

/** One side of a comparison; all digits of a counter's sum. */
export function formatSide(figure: Figure, side: 'before' | 'now'): string {
  const exact = figure.exact?.[side] ?? null;
  return exact === null ? formatFigure(figure[side], figure) : groupDigits(exact);
}

/** As `formatChange`; for a counter or money also the difference: `+0.01`, `+12% (+1,204.50)`, `-3% (-$0.12)`. */
export function formatDifference(figure: Figure): string {
  const change = formatChange(figure);
  const signed = signedDifference(figure);
  if (signed === null || change === '=') return change;
  return change === '~' || change === '' ? signed : `${change} (${signed})`;
}

function signedDifference({ unit, exact, before, now }: Figure): string | null {
  if (exact !== null) return exact.difference === null ? null : signedDigits(exact.difference);
  if (unit !== 'usd' || before === null || now === null) return null;
  return `${now > before ? '+' : ''}${dollarsText(now - before)}`;
}

/** `of 161 of 2,027 attempts`: where CPU and memory are known of only some of the successful ones; else null. */
export function measuredText(steps: readonly Pick<StepReport, 'measured' | 'duration'>[]): string | null {
  const measured = steps.reduce((sum, step) => sum + step.measured, 0);
  const all = steps.reduce((sum, { duration }) => sum + (duration?.count ?? 0), 0);
  return measured === 0 || measured >= all ? null : `of ${formatCount(measured)} of ${formatMany(all, 'attempt')}`;
}

/** How much of a counter a second of its step made; null if that says nothing. */
export function counterRate(value: string, seconds: number | null): number | null {
  const rate = seconds === null || seconds < 1 ? 0 : Number(value) / seconds;
  return rate > 0 && Number.isFinite(rate) ? rate : null;
}
