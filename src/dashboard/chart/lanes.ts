import type { Report } from '../api-routes.ts';
import { endText } from '../words/task.ts';

type Timeline = Report['timeline'];
export type Bar = Timeline['rows'][number]['bars'][number];
export type Outcome = Bar['outcome'];

/** A part of the timeline, in seconds after its start. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface Lane {
  readonly label: string;
  readonly busy: number;
  readonly slots: number;
  readonly bars: readonly Bar[];
  /** The busy share of equal bins; null if `bars` are all of its attempts. */
  readonly shares: readonly number[] | null;
}

/** The lanes in an order that stays as the job goes on: by worker and slot. */
export function lanesOf({ rows }: Timeline): readonly Lane[] {
  return [...rows].sort((a, b) => a.label.localeCompare(b.label, 'en', { numeric: true }));
}

export const OUTCOMES: Readonly<Record<Outcome, string>> = {
  done: 'done',
  failedAttempt: 'failed attempt, retried',
  failed: 'failed for good',
  superseded: 'failed, superseded since',
  interrupted: 'interrupted',
  running: 'still running',
};

/** The shortest span that can be zoomed to, as a share of the whole. */
const SHORTEST = 1 / 2_000;

/** Scales a span by `factor` around the instant `at`, within the whole. */
export function zoomSpan({ from, to }: Span, factor: number, at: number, seconds: number): Span {
  const length = Math.min(seconds, Math.max(seconds * SHORTEST, (to - from) * factor));
  const share = to === from ? 0.5 : (at - from) / (to - from);
  return clampSpan({ from: at - share * length, to: at + (1 - share) * length }, seconds);
}

export function clampSpan({ from, to }: Span, seconds: number): Span {
  const length = Math.min(seconds, to - from);
  const start = Math.max(0, Math.min(seconds - length, from));
  return { from: start, to: start + length };
}

/** The attempt of a lane at an instant: the shortest that is there, or the next within `near` seconds. */
export function barAt({ bars }: Pick<Lane, 'bars'>, at: number, near: number): Bar | null {
  let found: Bar | null = null;
  let best = Number.POSITIVE_INFINITY;
  for (const bar of bars) {
    const away = at < bar.start ? bar.start - at : at > bar.end ? at - bar.end : 0;
    // People look for failures: among equally near attempts, an unsuccessful one is chosen.
    const weight = away * 1_000 + (bar.end - bar.start) - (bar.outcome === 'done' ? 0 : near);
    if (away > near || weight >= best) continue;
    best = weight;
    found = bar;
  }
  return found;
}

/** The attempt before or after another in the order of their starts; the first or last one without another. */
export function nextBar({ bars }: Pick<Lane, 'bars'>, bar: Bar | null, by: 1 | -1): Bar | null {
  if (bar === null) return (by > 0 ? bars[0] : bars.at(-1)) ?? null;
  return bars[bars.indexOf(bar) + by] ?? bar;
}

/** `failed for good: exit 3`; the outcome alone without a reason. */
export function outcomeText(bar: Bar): string {
  const how = endText(bar);
  return how === null ? OUTCOMES[bar.outcome] : `${OUTCOMES[bar.outcome]}: ${how}`;
}

/** Seconds between marks of the time axis. */
const STEPS = [
  ...[0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400],
  ...[172_800, 604_800],
];

/** Round instants (seconds since the epoch) within a span, at most `most` of them, and the seconds between. */
export function ticksOf(start: number, { from, to }: Span, most: number): { at: readonly number[]; step: number } {
  const step = STEPS.find((each) => (to - from) / each <= Math.max(1, most)) ?? 604_800;
  // Round in this browser's zone, to the quarter of an hour that zones differ by.
  const first = Math.ceil((start + from) / step) * step;
  const count = Math.max(0, Math.floor((start + to - first) / step) + 1);
  return { at: Array.from({ length: count }, (_, n) => first + n * step), step };
}
