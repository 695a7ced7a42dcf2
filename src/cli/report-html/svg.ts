import { addDays, instantsOf, wallTime } from '../../model/wall-time.ts';
import { clockOf, dayOf, formatSeconds } from './figures.ts';
import { type Html, html, type Insert, rawHtml } from './html.ts';

/**
 * Charts are as wide as the page. Positions along x are percentages and along y pixels, so that text and marks keep
 * their size on any screen and on paper. Paths are drawn in a box of their own that stretches.
 */

/** A coordinate without invisible digits. */
export function n(value: number): number {
  return Number(value.toFixed(2));
}

/** A share of the width as an SVG length. */
export function percent(share: number): string {
  return `${n(share * 100)}%`;
}

export interface ChartOptions {
  /** Unique on the page; letters, digits and dashes. */
  readonly id: string;
  readonly title: string;
  /** The chart in words, for screen readers. */
  readonly text: string;
  /** Pixels. */
  readonly height: number;
}

export function chart({ id, title, text, height }: ChartOptions, body: Insert): Html {
  return html`<svg class="chart" role="img" aria-labelledby="${id}-title ${id}-text" width="100%" height="${height}"><title id="${id}-title">${title}</title><desc id="${id}-text">${text}</desc>${body}</svg>`;
}

/** The width of a stretched box, in its units. */
export const WIDE = 10_000;

/** A box over the whole width whose paths stretch: x from 0 to `WIDE`, y in pixels. */
export function stretchedBox(top: number, height: number, body: Insert): Html {
  return html`<svg y="${n(top)}" width="100%" height="${n(height)}" viewBox="0 0 ${WIDE} ${n(height)}" preserveAspectRatio="none" aria-hidden="true">${body}</svg>`;
}

/** Adjacent columns of equal width as one outline. Values are shares of the height, 0 to 1. */
export function columns(values: readonly number[], height: number, from = 0, width = WIDE): Html {
  let path = '';
  let level = 0;
  let open = false;
  const left = (i: number): number => Math.round(from + (i * width) / values.length);
  for (const [i, value] of values.entries()) {
    // Any value above 0 is visible, at least as a line.
    const pixels = value <= 0 ? 0 : Math.max(1, Math.round(value * height * 2) / 2);
    if (pixels === level && open) continue;
    path += open ? `H${left(i)}V${n(height - pixels)}` : `M${left(i)} ${n(height)}V${n(height - pixels)}`;
    level = pixels;
    open = true;
  }
  return rawHtml(open ? `${path}H${left(values.length)}V${n(height)}Z` : '');
}

/** Adjacent steps of equal width as one line. Values are shares of the height, 0 to 1. */
export function steps(values: readonly number[], height: number): Html {
  const y = (value: number): number => n(height - Math.min(1, value) * height);
  const left = (i: number): number => Math.round((i * WIDE) / values.length);
  const path = values.map((value, i) => {
    const before = values[i - 1];
    if (before === undefined) return `M0 ${y(value)}`;
    return y(before) === y(value) ? '' : `H${left(i)}V${y(value)}`;
  });
  return rawHtml(values.length === 0 ? '' : `${path.join('')}H${WIDE}`);
}

export function tip(text: string): Html {
  return html`<title>${text}</title>`;
}

/** Fills and marks that distinguish kinds without colour. Insert once per page. */
export const DEFINITIONS = html`<svg width="0" height="0" class="definitions" aria-hidden="true"><defs>
<pattern id="slant" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="5" height="5" class="retried"/><rect width="2" height="5" class="over"/></pattern>
<pattern id="mesh" width="4" height="4" patternUnits="userSpaceOnUse"><rect width="4" height="4" class="failed"/><path d="M0 0L4 4M4 0L0 4" class="over-line"/></pattern>
<pattern id="dots" width="4" height="4" patternUnits="userSpaceOnUse"><rect width="4" height="4" class="interrupted"/><circle cx="2" cy="2" r="1" class="over"/></pattern>
<g id="mark-retried"><circle r="5" class="mark-ground"/><path d="M-3 -3L3 3M3 -3L-3 3" class="mark-retried"/></g>
<g id="mark-superseded"><circle r="5" class="mark-ground"/><path d="M-3 0H3" class="mark-retried"/></g>
<g id="mark-failed"><rect x="-6" y="-6" width="12" height="12" rx="2" class="failed"/><path d="M-3 -3L3 3M3 -3L-3 3" class="mark-over"/></g>
<g id="mark-interrupted"><circle r="5" class="mark-ground"/><path d="M-2 -4V4M2 -4V4" class="mark-interrupted"/></g>
<g id="mark-slow"><path d="M0 -6L6 0L0 6L-6 0Z" class="mark-slow"/></g>
</defs></svg>`;

/** A sign in a chart and its meaning: a filled field, a mark, or a line. */
export interface LegendEntry {
  readonly swatch: { readonly kind: string; readonly fill?: string; readonly mark?: boolean };
  readonly words: string;
}

export function legend(entries: readonly LegendEntry[]): Html {
  return html`<ul class="legend">${entries.map(
    ({ swatch, words }) =>
      html`<li><svg width="16" height="14" aria-hidden="true">${swatchShape(swatch)}</svg>${words}</li>`,
  )}</ul>`;
}

function swatchShape({ kind, fill, mark }: LegendEntry['swatch']): Html {
  if (kind === 'limit') return html`<line class="limit" x1="0" x2="16" y1="7" y2="7"/>`;
  if (mark === true) return html`<use href="#mark-${kind}" x="8" y="7"/>`;
  if (fill !== undefined) return html`<rect y="1" width="16" height="12" fill="${fill}"/>`;
  return html`<rect y="1" width="16" height="12" class="${kind}"/>`;
}

/** A mark of an axis: its place (a share of the length, 0 to 1) and its label. */
export interface Tick {
  readonly at: number;
  readonly label: string;
}

/** About `count` round values from 0 to at least `max`; whole numbers if only those are possible. */
export function niceTicks(max: number, count: number, whole = false): readonly number[] {
  if (max <= 0) return [0, 1];
  const rough = max / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power, whole ? 1 : 0);
  const steps = Math.ceil(max / step - 1e-9);
  return Array.from({ length: steps + 1 }, (_, i) => Number((i * step).toPrecision(12)));
}

/** Maps a duration to its place on a logarithmic axis, 0 to 1. */
export interface LogScale {
  readonly at: (seconds: number) => number;
  readonly from: number;
  readonly to: number;
}

/** The lower end of a logarithmic axis, in seconds: shorter than clocks can measure. */
const SHORTEST = 0.001;

/** A logarithmic axis over these durations (seconds), spanning at least a factor of 4. */
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

/** Round durations on a logarithmic axis, at least 1/`count` of its length apart. */
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

/** The length of the longest label on a time axis over this many seconds: `18:30:05`, `30 Nov`, `+0.25s`. */
export function timeCharacters(seconds: number): number {
  return seconds < 10 || seconds >= 600 ? 6 : 8;
}

/**
 * At most `count` + 1 marks at round times of the zone, from an instant (milliseconds) on. A span below ten seconds is
 * labelled from its start. Midnight shows its date.
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
    // Zones differ from UTC by whole quarters of an hour, so times that are round there are round here.
    const first = Math.ceil(from / (step * 1000)) * step * 1000;
    const count = Math.floor((to - first) / (step * 1000)) + 1;
    return Array.from({ length: Math.max(0, count) }, (_, i) => first + i * step * 1000);
  }
  // In wall-clock time, because daylight saving moves it.
  const today = wallTime(from, zone);
  const days = Math.ceil(seconds / DAY) + 1;
  const found = new Set<number>();
  for (let day = 0; day <= days; day += Math.max(1, Math.round(step / DAY))) {
    for (let minute = 0; minute < 1440; minute += Math.min(1440, step / 60)) {
      const time = { hour: Math.floor(minute / 60), minute: minute % 60, second: 0 };
      for (const instant of instantsOf(addDays(today, day, time), zone)) found.add(instant);
    }
  }
  return [...found].filter((instant) => instant >= from && instant <= to).sort((a, b) => a - b);
}

/**
 * The narrowest plot, in pixels, of each layout: a phone; paper and half a screen; a whole screen. Each chart places
 * its labels for all of them; style.ts shows one.
 */
export const LAYOUTS = [
  { name: 'narrow', pixels: 250 },
  { name: 'middle', pixels: 490 },
  { name: 'wide', pixels: 850 },
] as const;

/** The width of a text in a chart, in pixels, assuming a wide font. */
export function widthOf(text: string): number {
  return text.length * 7.8;
}

/** How many labels of this many characters fit into a plot. */
export function labelsThatFit(pixels: number, characters: number): number {
  return Math.max(2, Math.floor(pixels / (characters * 7.8 + 18)));
}

/** Horizontal lines, with their values to the left of the plot. */
export function valueAxis(
  ticks: readonly number[],
  top: number,
  height: number,
  format: (value: number) => string,
): Html {
  const max = ticks.at(-1) ?? 1;
  return html`<g class="axis" aria-hidden="true">${ticks.map((value) => {
    const y = n(top + height - (value / max) * height);
    return html`<line x1="0" x2="100%" y1="${y}" y2="${y}"/><text x="-8" y="${n(y + 4)}" text-anchor="end">${format(value)}</text>`;
  })}</g>`;
}

/** Marks below a plot with their labels, and vertical lines through it, for each layout. */
export function baseAxis(ticksFor: (pixels: number) => readonly Tick[], top: number, height: number): Html {
  return html`${LAYOUTS.map(
    ({ name, pixels }) =>
      html`<g class="axis ${name}" aria-hidden="true">${ticksFor(pixels).map(
        ({ at, label }) =>
          html`<line x1="${percent(at)}" x2="${percent(at)}" y1="${n(top)}" y2="${n(top + height + 4)}"/><text x="${percent(at)}" y="${n(top + height + 17)}" text-anchor="${anchor(at)}">${label}</text>`,
      )}</g>`,
  )}`;
}

/** Vertical lines through a plot at the marks of an axis drawn elsewhere. */
export function verticalLines(ticksFor: (pixels: number) => readonly Tick[], height: number): Html {
  return html`${LAYOUTS.map(
    ({ name, pixels }) =>
      html`<g class="axis ${name}" aria-hidden="true">${ticksFor(pixels).map(
        ({ at }) => html`<line x1="${percent(at)}" x2="${percent(at)}" y1="0" y2="${height}"/>`,
      )}</g>`,
  )}`;
}

/** Labels at an end of the plot stay inside it. */
function anchor(at: number): string {
  return at > 0.96 ? 'end' : at < 0.02 ? 'start' : 'middle';
}

/** A placed label. Row 0 is next to the plot. */
interface PlacedLabel {
  readonly at: number;
  readonly label: string;
  readonly row: number;
  readonly anchor: 'start' | 'middle' | 'end';
}

/** Minimum pixels between two labels in a row. */
const GAP = 10;

/**
 * Places labels above their positions (shares of a plot of `pixels`), each in the lowest row where it neither touches
 * another nor leaves the plot.
 */
export function labelRows(
  labels: readonly { readonly at: number; readonly label: string }[],
  pixels: number,
): readonly PlacedLabel[] {
  const taken: { row: number; from: number; to: number }[] = [];
  return labels.map(({ at, label }) => {
    const width = widthOf(label);
    const centre = at * pixels;
    const anchor = centre < width / 2 ? 'start' : centre > pixels - width / 2 ? 'end' : 'middle';
    const from = centre - (anchor === 'start' ? 0 : anchor === 'end' ? width : width / 2);
    const to = from + width;
    // A wider screen only moves positions apart, so labels that fit here also fit there.
    const free = (row: number): boolean =>
      taken.every((other) => other.row !== row || from >= other.to + GAP || to <= other.from - GAP);
    let row = 0;
    while (!free(row)) row += 1;
    taken.push({ row, from, to });
    return { at, label, row, anchor };
  });
}
