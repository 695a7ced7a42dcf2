import type { Report } from '../api-routes.ts';

/** Columns as the plotting library takes them; `at`: seconds since the epoch. */
export interface Columns {
  readonly at: readonly number[];
  /** Tasks done, in the unit of time that `unit` names. */
  readonly rate: readonly number[];
  /** Attempts that did not end well, by bin. */
  readonly trouble: readonly number[];
  readonly running: readonly number[];
  readonly slots: readonly number[];
  /** The length of a bin. */
  readonly seconds: number;
  readonly unit: 'second' | 'minute' | 'hour';
}

const UNITS = [
  ['second', 1],
  ['minute', 60],
  ['hour', 3_600],
] as const;

/** Null before anything has begun. Rates are told in the smallest unit in which the best bin is 1 or more. */
export function columnsOf(throughput: Report['throughput']): Columns | null {
  const { from, seconds, bins } = throughput;
  if (from === null || bins.length === 0 || seconds <= 0) return null;
  const start = Date.parse(from) / 1_000;
  const peak = Math.max(...bins.map(({ done }) => done / seconds));
  const [unit, each] = UNITS.find(([, length]) => peak * length >= 1) ?? UNITS[2];
  return {
    ...{ unit, seconds },
    at: bins.map((_, i) => start + i * seconds),
    rate: bins.map(({ done }) => (done / seconds) * each),
    trouble: bins.map(({ failed, retried, interrupted }) => failed + retried + interrupted),
    running: bins.map(({ running }) => running),
    slots: bins.map(({ slots }) => slots),
  };
}
