import type { SlowTask, Throughput, Timeline, TimelineRow } from '../../model/answers/report.ts';
import { formatMany } from '../format.ts';
import { formatShare } from '../report-figures.ts';
import { clockOf, formatPace, formatSeconds, formatShort, keepEnd, rateUnit, shorten } from './figures.ts';
import { type Html, html, type Insert, rawHtml } from './html.ts';
import {
  baseAxis,
  type ChartOptions,
  chart,
  columns,
  type LegendEntry,
  labelsThatFit,
  legend,
  n,
  niceTicks,
  percent,
  steps,
  stretchedBox,
  type Tick,
  timeCharacters,
  timeTicks,
  tip,
  valueAxis,
  verticalLines,
  WIDE,
} from './svg.ts';

type Bin = Throughput['bins'][number];

/** Pixels above each plot, for half a label. */
const TOP = 8;

const BASE = 24;

const TROUBLES = [
  { kind: 'failed', fill: 'url(#mesh)', words: 'failed for good' },
  { kind: 'retried', fill: 'url(#slant)', words: 'failed and retried' },
  { kind: 'interrupted', fill: 'url(#dots)', words: 'interrupted' },
] as const;

/**
 * A job over time, as panels that share a time axis: tasks done; attempts that failed or were interrupted, on
 * their own scale, so that one failure among thousands is visible; and running attempts, below the available slots
 * (`slots` at most).
 */
export function throughputChart(throughput: Throughput, slots: number, zone: string): Html | null {
  const { bins, seconds, from } = throughput;
  if (from === null || bins.length === 0 || seconds <= 0) return null;
  const start = Date.parse(from);
  const ticksFor = (pixels: number): readonly Tick[] =>
    timeTicks(start, bins.length * seconds, zone, labelsThatFit(pixels, timeCharacters(bins.length * seconds)));
  const troubled = bins.some((bin) => troubleOf(bin) > 0);
  return html`<div class="panels">${donePanel(throughput, ticksFor, zone)}${
    troubled
      ? troublePanel(throughput, ticksFor, zone)
      : html`<p class="note">No attempt failed and none was interrupted.</p>`
  }${runningPanel(throughput, slots, ticksFor)}</div>`;
}

type TicksFor = (pixels: number) => readonly Tick[];

function donePanel(throughput: Throughput, ticksFor: TicksFor, zone: string): Html {
  const { bins, seconds } = throughput;
  const height = 150;
  const rates = bins.map(({ done }) => done / seconds);
  const peak = Math.max(...rates);
  const unit = rateUnit(peak);
  const ticks = niceTicks(peak * unit.seconds, 4);
  const max = ticks.at(-1) ?? 1;
  const hits = bins.map((bin, i) => {
    if (bin.done + troubleOf(bin) + bin.running === 0) return null;
    return html`<rect class="hit" x="${percent(i / bins.length)}" y="${TOP}" width="${percent(1 / bins.length)}" height="${height}">${tip(binText(throughput, bin, i, zone))}</rect>`;
  });
  const shares = rates.map((rate) => (rate * unit.seconds) / max);
  return panel(
    `Tasks done per ${unit.name}`,
    null,
    {
      id: 'throughput-done',
      title: `Tasks done per ${unit.name}, over time`,
      text: `At most ${formatPace(peak)}, in bins of ${formatSeconds(seconds)}.`,
      height: TOP + height + BASE,
    },
    [
      valueAxis(ticks, TOP, height, formatShort),
      baseAxis(ticksFor, TOP, height),
      stretchedBox(TOP, height, html`<path class="done area" d="${columns(shares, height)}"/>`),
      hits,
    ],
  );
}

function troublePanel(throughput: Throughput, ticksFor: TicksFor, zone: string): Html {
  const { bins, seconds } = throughput;
  const height = 64;
  const ticks = niceTicks(Math.max(...bins.map(troubleOf)), 2, true);
  const max = ticks.at(-1) ?? 1;
  const width = Math.max(1 / bins.length, 0.004);
  const stacks = bins.map((bin, i) => {
    if (troubleOf(bin) === 0) return null;
    let base = TOP + height;
    const pieces = TROUBLES.map(({ kind, fill }) => {
      if (bin[kind] === 0) return null;
      const tall = (bin[kind] / max) * height;
      base -= tall;
      return html`<rect x="${percent(i / bins.length)}" y="${n(base)}" width="${percent(width)}" height="${n(tall)}" fill="${fill}"/>`;
    });
    return html`<g>${tip(binText(throughput, bin, i, zone))}${pieces}</g>`;
  });
  const present = TROUBLES.filter(({ kind }) => bins.some((bin) => bin[kind] > 0));
  const sums = present.map(({ kind, words }) => `${bins.reduce((sum, bin) => sum + bin[kind], 0)} ${words}`);
  return panel(
    `Unsuccessful attempts per ${formatSeconds(seconds)}`,
    legend(present.map(({ kind, fill, words }) => ({ swatch: { kind, fill }, words }))),
    {
      id: 'throughput-trouble',
      title: 'Failed and interrupted attempts over time',
      text: `${sums.join(', ')}.`,
      height: TOP + height + 8,
    },
    [valueAxis(ticks, TOP, height, formatShort), verticalLines(ticksFor, TOP + height), stacks],
  );
}

function runningPanel({ bins }: Throughput, slots: number, ticksFor: TicksFor): Html {
  const height = 64;
  const peak = Math.max(...bins.map(({ running }) => running));
  const ticks = niceTicks(Math.max(peak, slots), 2, true);
  const max = ticks.at(-1) ?? 1;
  const running = bins.map((bin) => bin.running / max);
  const available = bins.map((bin) => bin.slots / max);
  return panel(
    'Attempts running',
    slots > 0
      ? legend([{ swatch: { kind: 'limit' }, words: `slots of the running workers, at most ${n(slots)}` }])
      : null,
    {
      id: 'throughput-running',
      title: 'Attempts running, over time',
      text: `At most ${n(peak)} on average over a bin; at most ${formatMany(slots, 'slot')} at once.`,
      height: TOP + height + BASE,
    },
    [
      valueAxis(ticks, TOP, height, formatShort),
      baseAxis(ticksFor, TOP, height),
      stretchedBox(
        TOP,
        height,
        html`<path class="running area" d="${columns(running, height)}"/>${
          slots > 0 && html`<path class="limit" d="${steps(available, height)}"/>`
        }`,
      ),
    ],
  );
}

/** A chart below its name and legend. */
function panel(name: string, key: Html | null, options: ChartOptions, body: Insert): Html {
  return html`<figure><figcaption><b>${name}</b>${key}</figcaption><div class="plot">${chart(options, body)}</div></figure>`;
}

/** `18:30:05, 10s: 3 tasks done, 1 running` */
function binText({ from, seconds }: Throughput, bin: Bin, i: number, zone: string): string {
  return `${clockOf(Date.parse(from ?? '') + i * seconds * 1000, zone)}, ${formatSeconds(seconds)}: ${wordsOf(bin)}`;
}

function troubleOf({ retried, failed, interrupted }: Bin): number {
  return retried + failed + interrupted;
}

function wordsOf(bin: Bin): string {
  return [
    formatMany(bin.done, 'task').concat(' done'),
    ...TROUBLES.flatMap(({ kind, words }) => (bin[kind] === 0 ? [] : [`${bin[kind]} ${words}`])),
    `${n(bin.running)} running`,
  ].join(', ');
}

type Bar = TimelineRow['bars'][number];

/** Rows with more bars are drawn without gaps, which would fill most of the row on a phone. */
const GAPS = 60;

/** The id of the vertical lines through all rows, drawn once and reused in each. */
const RULES = 'timeline-rules';

interface RowStyle {
  readonly seconds: number;
  readonly slow: ReadonlySet<string>;
  readonly height: number;
  readonly tips: boolean;
  readonly marks: boolean;
  readonly fine: boolean;
}

type Kind = 'done' | (typeof SPECIAL)[number];

/** All kinds except `done`, in the order of the legend. */
const SPECIAL = ['slow', 'retried', 'superseded', 'failed', 'interrupted', 'running'] as const;

const WORDS: Readonly<Record<Kind, string>> = {
  done: 'done',
  slow: 'done, a straggler',
  retried: 'failed attempt, retried',
  superseded: 'failed, superseded since',
  failed: 'failed for good',
  interrupted: 'interrupted',
  running: 'still running',
};

const FILLS: Readonly<Partial<Record<Kind, string>>> = {
  retried: 'url(#slant)',
  superseded: 'url(#slant)',
  failed: 'url(#mesh)',
  interrupted: 'url(#dots)',
};

function kindOf({ outcome, task }: Bar, slow: ReadonlySet<string>): Kind {
  if (outcome === 'done') return slow.has(task) ? 'slow' : 'done';
  return outcome === 'failedAttempt' ? 'retried' : outcome;
}

function rowChart(row: TimelineRow, look: RowStyle): Html {
  const { height } = look;
  const words = `busy ${formatShare(row.busy)}${row.shares === null ? `, ${formatMany(row.bars.length, 'attempt')}` : ''}`;
  const body: Insert =
    row.shares === null
      ? barsOf(row.bars, look)
      : stretchedBox(
          0,
          height,
          html`<path class="done area" d="${columns(look.fine ? row.shares : averagePairs(row.shares), height)}"/>`,
        );
  return html`<svg class="chart row" role="img" aria-label="${words}" width="100%" height="${height}"><rect class="idle" width="100%" height="${height}"/><use href="#${RULES}"/>${body}</svg>`;
}

function barsOf(bars: readonly Bar[], look: RowStyle): Html {
  const { slow, height, seconds } = look;
  const of = (kind: Kind): readonly Bar[] => bars.filter((bar) => kindOf(bar, slow) === kind);
  const plain = of('done');
  const others = bars.filter((bar) => kindOf(bar, slow) !== 'done' && bar.outcome !== 'running');
  return html`${stretchedBox(0, height, html`<path class="done${bars.length <= GAPS && ' bar'}" d="${outlines(plain, look)}"/>`)}${
    look.tips && html`<g class="hits">${plain.map((bar) => rect(bar, look, true))}</g>`
  }${SPECIAL.map((kind) => {
    const own = of(kind);
    const fill = FILLS[kind];
    const paint = fill === undefined ? html`class="bar ${kind}"` : html`class="bar" fill="${fill}"`;
    return own.length > 0 && html`<g ${paint}>${own.map((bar) => rect(bar, look, look.marks))}</g>`;
  })}${
    look.marks &&
    others.map(
      (bar) =>
        html`<use href="#mark-${kindOf(bar, slow)}" x="${percent((bar.start + bar.end) / 2 / seconds)}" y="${height / 2}"/>`,
    )
  }`;
}

function rect(bar: Bar, { seconds, height, slow }: RowStyle, withTip: boolean): Html {
  const width = Math.max((bar.end - bar.start) / seconds, 0.002);
  const place = html`x="${percent(bar.start / seconds)}" y="1" width="${percent(width)}" height="${height - 2}"`;
  if (!withTip) return html`<rect ${place}/>`;
  const words = `${bar.task}: ${WORDS[kindOf(bar, slow)]}, ${formatSeconds(bar.end - bar.start)}`;
  return html`<rect ${place}>${tip(words)}</rect>`;
}

/** The average of each pair. */
function averagePairs(shares: readonly number[]): readonly number[] {
  return Array.from({ length: Math.ceil(shares.length / 2) }, (_, i) => {
    const first = shares[2 * i] ?? 0;
    return (first + (shares[2 * i + 1] ?? first)) / 2;
  });
}

/** Many plain bars as one path. */
function outlines(bars: readonly Bar[], { seconds, height }: RowStyle): Html {
  const unit = WIDE / seconds;
  return rawHtml(
    bars
      .map(({ start, end }) => {
        const left = Math.round(start * unit);
        return `M${left} 1h${Math.max(Math.round(end * unit) - left, 8)}V${n(height - 1)}H${left}z`;
      })
      .join(''),
  );
}

/** A straggler took at least this many times its step's median, and this share of the whole time. */
const STRAGGLER = { times: 4, share: 0.02 };

/** With more bars there are no tooltips, with more troubled ones no marks: the page stays small and readable. */
const TIPS = 400;

const MARKS = 200;

/** The share of a chart's usual width that the row names leave for the plot. */
const PLOT = 0.78;

/** With more rows than this, two bins are drawn as one. */
const FINE_ROWS = 16;

/** Who ran what, when: one row per slot (or worker). Failures and stragglers have marks as well as colours. */
export function timelineChart(timeline: Timeline, slowest: readonly SlowTask[], zone: string): Html | null {
  const { from, seconds, rows, hidden } = timeline;
  if (from === null || rows.length === 0 || seconds <= 0) return null;
  const start = Date.parse(from);
  const ticksFor = (pixels: number): readonly Tick[] =>
    timeTicks(start, seconds, zone, labelsThatFit(pixels * PLOT, timeCharacters(seconds)));
  const slow = new Set(
    slowest
      .filter((task) => task.times >= STRAGGLER.times && task.seconds >= seconds * STRAGGLER.share)
      .map(({ task }) => task),
  );
  const bars = rows.flatMap((row) => row.bars);
  const look: RowStyle = {
    seconds,
    slow,
    height: rows.length > 24 ? 14 : 20,
    fine: rows.length <= FINE_ROWS,
    tips: bars.length <= TIPS,
    marks: bars.filter((bar) => kindOf(bar, slow) !== 'done').length <= MARKS,
  };
  const axis = html`<svg class="chart" width="100%" height="24" aria-hidden="true"><defs><g id="${RULES}">${verticalLines(ticksFor, look.height)}</g></defs>${baseAxis(ticksFor, 0, 4)}</svg>`;
  return html`<figure><figcaption>${legend(entriesOf(timeline, bars, slow, look.marks))}</figcaption>
<table class="timeline"><thead><tr><th scope="col">${rows.some((row) => row.slots > 1) ? 'worker' : 'slot'}</th><th scope="col"><span class="sr">when it was busy</span>${axis}</th><th scope="col">busy</th></tr></thead>
<tbody>${rows.map(
    (row) =>
      html`<tr><th scope="row" title="${row.label}"><span class="narrow">${keepEnd(row.label.replace(' slot ', ' #'), 11)}</span><span class="roomy">${shorten(row.label, 22)}</span></th><td>${rowChart(row, look)}</td><td>${formatShare(row.busy)}</td></tr>`,
  )}</tbody></table>
${stragglersNote(slowest, slow)}${hidden > 0 && html`<p class="note">${formatMany(hidden, 'more row')} with less work not shown.</p>`}</figure>`;
}

function entriesOf(timeline: Timeline, bars: readonly Bar[], slow: ReadonlySet<string>, marks: boolean): LegendEntry[] {
  const present = new Set(bars.map((bar) => kindOf(bar, slow)));
  const binned = timeline.rows.some((row) => row.shares !== null);
  return [
    ...(present.has('done') ? [{ swatch: { kind: 'done' }, words: 'done' }] : []),
    ...(binned ? [{ swatch: { kind: 'done' }, words: 'the higher, the more slots were busy' }] : []),
    ...SPECIAL.filter((kind) => present.has(kind)).map((kind) => {
      const fill = FILLS[kind];
      return {
        swatch: { kind, ...(fill !== undefined && { fill }), mark: marks && kind !== 'running' },
        words: WORDS[kind],
      };
    }),
    { swatch: { kind: 'idle' }, words: 'idle' },
  ];
}

function stragglersNote(slowest: readonly SlowTask[], slow: ReadonlySet<string>): Html | null {
  const named = slowest.filter(({ task }) => slow.has(task));
  if (named.length === 0) return null;
  const shown = named
    .slice(0, 3)
    .map(
      ({ task, seconds, times }) =>
        `${task} took ${formatSeconds(seconds)}, ${Number(times.toFixed(1))} times its step's median`,
    );
  const more = named.length > 3 ? `; ${named.length - 3} more among the slowest tasks` : '';
  return html`<p class="note">Stragglers: ${shown.join('; ')}${more}.</p>`;
}
