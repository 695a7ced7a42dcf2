import { instantsOf, onDay, wallTime } from '../../model/wall-time.ts';
import { clockOf, dayOf, formatSeconds } from './words.ts';

/** A mark of an axis: where (a share of its length, 0 to 1) and what it says. */
export interface Tick {
  readonly at: number;
  readonly label: string;
}

/** Round values from 0 to at least `max`, about `count` of them; whole numbers when only those can be. */
export function niceTicks(max: number, count: number, whole = false): readonly number[] {
  if (max <= 0) return [0, 1];
  const rough = max / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power, whole ? 1 : 0);
  const steps = Math.ceil(max / step - 1e-9);
  return Array.from({ length: steps + 1 }, (_, i) => Number((i * step).toPrecision(12)));
}

/** Where a duration stands on a logarithmic axis, 0 to 1. */
export interface LogScale {
  readonly at: (seconds: number) => number;
  readonly from: number;
  readonly to: number;
}

/** Shorter than a clock tells: where a logarithmic axis ends. */
const SHORTEST = 0.001;

/** A logarithmic axis from the shortest to the longest of these durations (seconds), never narrower than a factor of 4. */
export function logScale(durations: readonly number[]): LogScale {
  const shortest = Math.max(Math.min(...durations), SHORTEST);
  const longest = Math.max(...durations, shortest);
  const missing = Math.max(1, Math.sqrt(4 / (longest / shortest)));
  const [from, to] = [shortest / missing, longest * missing];
  const at = (seconds: number): number =>
    Math.min(1, Math.max(0, Math.log(Math.max(seconds, from) / from) / Math.log(to / from)));
  return { at, from, to };
}

const ROUND_DURATIONS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200,
  14_400, 28_800, 43_200, 86_400, 172_800, 432_000, 864_000,
];

/** Round durations on a logarithmic axis, none closer to the next than 1/`count` of the whole. */
export function durationTicks(scale: LogScale, count: number): readonly Tick[] {
  const ticks: Tick[] = [];
  for (const seconds of ROUND_DURATIONS) {
    const at = scale.at(seconds);
    const last = ticks.at(-1);
    if (seconds < scale.from || seconds > scale.to || (last !== undefined && at - last.at < 1 / count)) continue;
    ticks.push({ at, label: formatSeconds(seconds) });
  }
  return ticks;
}

/** Seconds between the marks of a time axis. */
const STEPS = [
  0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600,
  43_200, 86_400, 172_800, 604_800, 1_209_600, 2_419_200,
];
const HALF_HOUR = 1800;
const DAY = 86_400;

/** The characters of the longest label on a time axis over so many seconds: `18:30:05`, `30 Nov`, `+0.25s`. */
export function timeCharacters(seconds: number): number {
  return seconds < 10 || seconds >= 600 ? 6 : 8;
}

/**
 * At most `count` + 1 marks on the wall clock of the zone from an instant (milliseconds) on; a span below ten seconds
 * counts from its start. Midnight shows its date.
 */
export function timeTicks(from: number, seconds: number, zone: string, count: number): readonly Tick[] {
  const step = STEPS.find((candidate) => seconds / candidate <= count) ?? DAY * Math.ceil(seconds / DAY / count);
  if (seconds < 10) {
    const steps = Math.floor(seconds / step + 1e-9);
    return Array.from({ length: steps + 1 }, (_, i) => ({
      at: (i * step) / seconds,
      label: `+${Number((i * step).toFixed(2))}s`,
    }));
  }
  return instants(from, seconds, step, zone).map((instant) => ({
    at: (instant - from) / 1000 / seconds,
    label: labelOf(instant, step, zone),
  }));
}

function labelOf(instant: number, step: number, zone: string): string {
  const clock = clockOf(instant, zone);
  if (step >= DAY || clock === '00:00:00') return dayOf(instant, zone);
  return step < 60 ? clock : clock.slice(0, 5);
}

function instants(from: number, seconds: number, step: number, zone: string): readonly number[] {
  const to = from + seconds * 1000;
  if (step < HALF_HOUR) {
    // Zones differ from UTC by whole quarters of an hour: what is round there is round here.
    const first = Math.ceil(from / (step * 1000)) * step * 1000;
    const count = Math.floor((to - first) / (step * 1000)) + 1;
    return Array.from({ length: Math.max(0, count) }, (_, i) => first + i * step * 1000);
  }
  // By the wall clock, which summer time moves.
  const today = wallTime(from, zone);
  const days = Math.ceil(seconds / DAY) + 1;
  const found = new Set<number>();
  for (let day = 0; day <= days; day += Math.max(1, Math.round(step / DAY))) {
    for (let minute = 0; minute < 1440; minute += Math.min(1440, step / 60)) {
      const time = { hour: Math.floor(minute / 60), minute: minute % 60, second: 0 };
      for (const instant of instantsOf(onDay(today, day, time), zone)) found.add(instant);
    }
  }
  return [...found].filter((instant) => instant >= from && instant <= to).sort((a, b) => a - b);
}
