import type { TimelineRow } from '../../model/report/report.ts';
import { formatMany } from '../format.ts';
import { type Html, html, type Insert, trusted } from './html.ts';
import { columns, n, stretched, tip, WIDE, x } from './svg.ts';
import { formatSeconds, formatShare } from './words.ts';

export type Bar = TimelineRow['bars'][number];

/** A row with more bars has no gaps drawn between them: on a phone there would be little else. */
const GAPS = 60;

/** The lines up through all rows, drawn once and used in each. */
export const RULES = 'timeline-rules';

/** How rows are drawn; the same for all of them. */
export interface Look {
  readonly seconds: number;
  readonly slow: ReadonlySet<string>;
  readonly height: number;
  readonly tips: boolean;
  readonly marks: boolean;
  readonly fine: boolean;
}

export type Kind = 'done' | (typeof SPECIAL)[number];
/** All but the plain ones, in the order of the legend. */
export const SPECIAL = ['slow', 'retried', 'failed', 'interrupted', 'running'] as const;

export const WORDS: Readonly<Record<Kind, string>> = {
  done: 'done',
  slow: 'done, a straggler',
  retried: 'failed attempt, tried again',
  failed: 'failed for good',
  interrupted: 'interrupted',
  running: 'still running',
};
export const FILLS: Readonly<Partial<Record<Kind, string>>> = {
  retried: 'url(#slant)',
  failed: 'url(#mesh)',
  interrupted: 'url(#dots)',
};

export function kindOf({ outcome, task }: Bar, slow: ReadonlySet<string>): Kind {
  if (outcome === 'done') return slow.has(task) ? 'slow' : 'done';
  return outcome === 'failedAttempt' ? 'retried' : outcome;
}

export function rowChart(row: TimelineRow, look: Look): Html {
  const { height } = look;
  const words = `busy ${formatShare(row.busy)}${row.shares === null ? `, ${formatMany(row.bars.length, 'attempt')}` : ''}`;
  const body: Insert =
    row.shares === null
      ? barsOf(row.bars, look)
      : stretched(
          0,
          height,
          html`<path class="done area" d="${columns(look.fine ? row.shares : pairs(row.shares), height)}"/>`,
        );
  return html`<svg class="chart row" role="img" aria-label="${words}" width="100%" height="${height}"><rect class="idle" width="100%" height="${height}"/><use href="#${RULES}"/>${body}</svg>`;
}

function barsOf(bars: readonly Bar[], look: Look): Html {
  const { slow, height, seconds } = look;
  const of = (kind: Kind): readonly Bar[] => bars.filter((bar) => kindOf(bar, slow) === kind);
  const plain = of('done');
  const others = bars.filter((bar) => kindOf(bar, slow) !== 'done' && bar.outcome !== 'running');
  return html`${stretched(0, height, html`<path class="done${bars.length <= GAPS && ' bar'}" d="${outlines(plain, look)}"/>`)}${
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
        html`<use href="#mark-${kindOf(bar, slow)}" x="${x((bar.start + bar.end) / 2 / seconds)}" y="${height / 2}"/>`,
    )
  }`;
}

function rect(bar: Bar, { seconds, height, slow }: Look, told: boolean): Html {
  const width = Math.max((bar.end - bar.start) / seconds, 0.002);
  const place = html`x="${x(bar.start / seconds)}" y="1" width="${x(width)}" height="${height - 2}"`;
  if (!told) return html`<rect ${place}/>`;
  const words = `${bar.task}: ${WORDS[kindOf(bar, slow)]}, ${formatSeconds(bar.end - bar.start)}`;
  return html`<rect ${place}>${tip(words)}</rect>`;
}

/** The average of each two. */
function pairs(shares: readonly number[]): readonly number[] {
  return Array.from({ length: Math.ceil(shares.length / 2) }, (_, i) => {
    const first = shares[2 * i] ?? 0;
    return (first + (shares[2 * i + 1] ?? first)) / 2;
  });
}

/** Many plain bars as one path. */
function outlines(bars: readonly Bar[], { seconds, height }: Look): Html {
  const unit = WIDE / seconds;
  return trusted(
    bars
      .map(({ start, end }) => {
        const left = Math.round(start * unit);
        return `M${left} 1h${Math.max(Math.round(end * unit) - left, 8)}V${n(height - 1)}H${left}z`;
      })
      .join(''),
  );
}
