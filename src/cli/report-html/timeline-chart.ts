import type { SlowTask, Timeline } from '../../model/report/report.ts';
import { formatMany } from '../format.ts';
import { baseAxis, roomFor, rules } from './axis.ts';
import { type Html, html } from './html.ts';
import { type LegendEntry, legend } from './legend.ts';
import { type Tick, timeCharacters, timeTicks } from './scale.ts';
import { type Bar, FILLS, kindOf, type Look, RULES, rowChart, SPECIAL, WORDS } from './timeline-row.ts';
import { formatSeconds, formatShare, lastOf, shorten } from './words.ts';

/** A straggler took so many times its step's median, and so much of the whole time. */
const STRAGGLER = { times: 4, share: 0.02 };
/** Above these, bars have no words of their own and trouble no marks: the page stays small and can be read. */
const TIPS = 400;
const MARKS = 200;
/** How much of a chart's usual width is left beside the names of the rows. */
const PLOT = 0.78;
/** With more rows, two bins are drawn as one. */
const FINE_ROWS = 16;

/** Who ran what, when: a row a slot (or worker), idle time empty; trouble and stragglers have marks besides colours. */
export function timelineChart(timeline: Timeline, slowest: readonly SlowTask[], zone: string): Html | null {
  const { from, seconds, rows, hidden } = timeline;
  if (from === null || rows.length === 0 || seconds <= 0) return null;
  const start = Date.parse(from);
  const ticksFor = (pixels: number): readonly Tick[] =>
    timeTicks(start, seconds, zone, roomFor(pixels * PLOT, timeCharacters(seconds)));
  const slow = new Set(
    slowest
      .filter((task) => task.times >= STRAGGLER.times && task.seconds >= seconds * STRAGGLER.share)
      .map(({ task }) => task),
  );
  const bars = rows.flatMap((row) => row.bars);
  const look: Look = {
    seconds,
    slow,
    height: rows.length > 24 ? 14 : 20,
    fine: rows.length <= FINE_ROWS,
    tips: bars.length <= TIPS,
    marks: bars.filter((bar) => kindOf(bar, slow) !== 'done').length <= MARKS,
  };
  const axis = html`<svg class="chart" width="100%" height="24" aria-hidden="true"><defs><g id="${RULES}">${rules(ticksFor, look.height)}</g></defs>${baseAxis(ticksFor, 0, 4)}</svg>`;
  return html`<figure><figcaption>${legend(entriesOf(timeline, bars, slow, look.marks))}</figcaption>
<table class="timeline"><thead><tr><th scope="col">${rows.some((row) => row.slots > 1) ? 'worker' : 'slot'}</th><th scope="col"><span class="sr">when it was busy</span>${axis}</th><th scope="col">busy</th></tr></thead>
<tbody>${rows.map(
    (row) =>
      html`<tr><th scope="row" title="${row.label}"><span class="narrow">${lastOf(row.label.replace(' slot ', ' #'), 11)}</span><span class="roomy">${shorten(row.label, 22)}</span></th><td>${rowChart(row, look)}</td><td>${formatShare(row.busy)}</td></tr>`,
  )}</tbody></table>
${stragglersNote(slowest, slow)}${hidden > 0 && html`<p class="note">${formatMany(hidden, 'more row')} with less work not shown.</p>`}</figure>`;
}

function entriesOf(timeline: Timeline, bars: readonly Bar[], slow: ReadonlySet<string>, marks: boolean): LegendEntry[] {
  const present = new Set(bars.map((bar) => kindOf(bar, slow)));
  const binned = timeline.rows.some((row) => row.shares !== null);
  return [
    ...(present.has('done') ? [{ swatch: { kind: 'done' }, words: 'done' }] : []),
    ...(binned ? [{ swatch: { kind: 'done' }, words: 'the higher, the more of its slots were busy' }] : []),
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
