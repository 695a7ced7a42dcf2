import type { Throughput } from '../../model/report/report.ts';
import { formatMany } from '../format.ts';
import { baseAxis, niceTicks, roomFor, rules, type Tick, timeCharacters, timeTicks, valueAxis } from './axis.ts';
import { type Html, html, type Insert } from './html.ts';
import { chart, columns, legend, n, steps, stretched, tip, x } from './svg.ts';
import { clockOf, formatPace, formatSeconds, formatShort, rateUnit } from './words.ts';

type Bin = Throughput['bins'][number];

/** Pixels: above each plot there is room for half a label. */
const TOP = 8;
const BASE = 24;
const TROUBLES = [
  { kind: 'failed', fill: 'url(#mesh)', words: 'failed for good' },
  { kind: 'retried', fill: 'url(#slant)', words: 'failed and retried' },
  { kind: 'interrupted', fill: 'url(#dots)', words: 'interrupted' },
] as const;

/**
 * What happened over time, in panels above each other that share their time axis: tasks done; what did not end well, on a
 * scale of its own so that one failure among thousands is seen; attempts under way, below the slots that were there, of
 * which there were at most `slots` at once.
 */
export function throughputChart(throughput: Throughput, slots: number, zone: string): Html | null {
  const { bins, seconds, from } = throughput;
  if (from === null || bins.length === 0 || seconds <= 0) return null;
  const start = Date.parse(from);
  const ticksFor = (pixels: number): readonly Tick[] =>
    timeTicks(start, bins.length * seconds, zone, roomFor(pixels, timeCharacters(bins.length * seconds)));
  const troubled = bins.some((bin) => troubleOf(bin) > 0);
  return html`<div class="panels">${donePanel(throughput, ticksFor, zone)}${
    troubled
      ? troublePanel(throughput, ticksFor, zone)
      : html`<p class="note">No attempt failed and none was interrupted.</p>`
  }${runningPanel(throughput, slots, ticksFor)}</div>`;
}

type TicksFor = (pixels: number) => readonly Tick[];

function donePanel({ bins, seconds, from }: Throughput, ticksFor: TicksFor, zone: string): Html {
  const height = 150;
  const rates = bins.map(({ done }) => done / seconds);
  const peak = Math.max(...rates);
  const unit = rateUnit(peak);
  const ticks = niceTicks(peak * unit.seconds, 4);
  const max = ticks.at(-1) ?? 1;
  const start = Date.parse(from ?? '');
  const hits = bins.map((bin, i) => {
    if (bin.done + troubleOf(bin) + bin.running === 0) return null;
    const text = `${clockOf(start + i * seconds * 1000, zone)}, ${formatSeconds(seconds)}: ${wordsOf(bin)}`;
    return html`<rect class="hit" x="${x(i / bins.length)}" y="${TOP}" width="${x(1 / bins.length)}" height="${height}">${tip(text)}</rect>`;
  });
  return panel(`Tasks done per ${unit.name}`, null, [
    chart(
      {
        id: 'throughput-done',
        title: `Tasks done per ${unit.name}, over time`,
        text: `At most ${formatPace(peak)}, in bins of ${formatSeconds(seconds)}.`,
        height: TOP + height + BASE,
      },
      [
        valueAxis(ticks, TOP, height, formatShort),
        baseAxis(ticksFor, TOP, height),
        stretched(
          TOP,
          height,
          html`<path class="done area" d="${columns(
            rates.map((rate) => (rate * unit.seconds) / max),
            height,
          )}"/>`,
        ),
        hits,
      ],
    ),
  ]);
}

function troublePanel({ bins, seconds, from }: Throughput, ticksFor: TicksFor, zone: string): Html {
  const height = 64;
  const ticks = niceTicks(Math.max(...bins.map(troubleOf)), 2, true);
  const max = ticks.at(-1) ?? 1;
  const start = Date.parse(from ?? '');
  const width = Math.max(1 / bins.length, 0.004);
  const stacks = bins.map((bin, i) => {
    if (troubleOf(bin) === 0) return null;
    let base = TOP + height;
    const pieces = TROUBLES.map(({ kind, fill }) => {
      if (bin[kind] === 0) return null;
      const tall = (bin[kind] / max) * height;
      base -= tall;
      return html`<rect x="${x(i / bins.length)}" y="${n(base)}" width="${x(width)}" height="${n(tall)}" fill="${fill}"/>`;
    });
    const text = `${clockOf(start + i * seconds * 1000, zone)}, ${formatSeconds(seconds)}: ${wordsOf(bin)}`;
    return html`<g>${tip(text)}${pieces}</g>`;
  });
  const present = TROUBLES.filter(({ kind }) => bins.some((bin) => bin[kind] > 0));
  const sums = present.map(({ kind, words }) => `${bins.reduce((sum, bin) => sum + bin[kind], 0)} ${words}`);
  return panel(
    `Unsuccessful attempts per ${formatSeconds(seconds)}`,
    legend(present.map(({ kind, fill, words }) => ({ swatch: { kind, fill }, words }))),
    [
      chart(
        {
          id: 'throughput-trouble',
          title: 'Failed and interrupted attempts over time',
          text: `${sums.join(', ')}.`,
          height: TOP + height + 8,
        },
        [valueAxis(ticks, TOP, height, formatShort), rules(ticksFor, TOP + height), stacks],
      ),
    ],
  );
}

function runningPanel({ bins }: Throughput, slots: number, ticksFor: TicksFor): Html {
  const height = 64;
  const peak = Math.max(...bins.map(({ running }) => running));
  const ticks = niceTicks(Math.max(peak, slots), 2, true);
  const max = ticks.at(-1) ?? 1;
  return panel(
    'Attempts running',
    slots > 0
      ? legend([{ swatch: { kind: 'limit' }, words: `slots of the running workers, at most ${n(slots)}` }])
      : null,
    [
      chart(
        {
          id: 'throughput-running',
          title: 'Attempts running, over time',
          text: `At most ${n(peak)} on average over a bin; at most ${formatMany(slots, 'slot')} at once.`,
          height: TOP + height + BASE,
        },
        [
          valueAxis(ticks, TOP, height, formatShort),
          baseAxis(ticksFor, TOP, height),
          stretched(
            TOP,
            height,
            html`<path class="running area" d="${columns(
              bins.map(({ running }) => running / max),
              height,
            )}"/>${
              slots > 0 &&
              html`<path class="limit" d="${steps(
                bins.map((bin) => bin.slots / max),
                height,
              )}"/>`
            }`,
          ),
        ],
      ),
    ],
  );
}

function panel(name: string, key: Html | null, body: Insert): Html {
  return html`<figure><figcaption><b>${name}</b>${key}</figcaption><div class="plot">${body}</div></figure>`;
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
