import type { Report } from '../api-routes.ts';

/** Columns in the plotting library's format; `at`: seconds since the epoch. */
export interface Columns {
  readonly at: readonly number[];
  /** Tasks done per `unit`. */
  readonly rate: readonly number[];
  /** Unsuccessful attempts in each bin. */
  readonly trouble: readonly number[];
  readonly running: readonly number[];
  readonly slots: readonly number[];
  /** Length of a bin, in seconds. */
  readonly seconds: number;
  readonly unit: 'second' | 'minute' | 'hour';
}

const UNITS = [
  ['second', 1],
  ['minute', 60],
  ['hour', 3_600],
] as const;

/** Null before anything has started. The unit is the smallest in which the peak rate is at least 1. */
export function columnsOf(throughput: Report['throughput']): Columns | null {
  const { from, seconds, bins } = throughput;
  if (from === null || bins.length === 0 || seconds <= 0) return null;
  const start = Date.parse(from) / 1_000;
  const peak = Math.max(...bins.map(({ done }) => done / seconds));
  const [unit, each] = UNITS.find(([, length]) => peak * length >= 1) ?? UNITS[2];
  return {
    unit,
    seconds,
    at: bins.map((_, i) => start + i * seconds),
    rate: bins.map(({ done }) => (done / seconds) * each),
    trouble: bins.map(({ failed, retried, interrupted }) => failed + retried + interrupted),
    running: bins.map(({ running }) => running),
    slots: bins.map(({ slots }) => slots),
  };
}
