import { type Html, html, type Insert, trusted } from './html.ts';

/**
 * Charts are as wide as the page lets them: along x all is in percent, along y in pixels, so that text and marks keep their
 * size on any screen and on paper. What needs a path is drawn in a box of its own that stretches.
 */

/** A coordinate with no more digits than are seen. */
export function n(value: number): number {
  return Number(value.toFixed(2));
}

/** A share of the width as an SVG length. */
export function x(share: number): string {
  return `${n(share * 100)}%`;
}

interface ChartOptions {
  /** Unique on the page; letters, digits and dashes. */
  readonly id: string;
  /** What is shown, in a few words. */
  readonly title: string;
  /** What it says, for those who don't see it. */
  readonly text: string;
  /** Pixels. */
  readonly height: number;
}

/** A chart with its name and its words. */
export function chart({ id, title, text, height }: ChartOptions, body: Insert): Html {
  return html`<svg class="chart" role="img" aria-labelledby="${id}-title ${id}-text" width="100%" height="${height}"><title id="${id}-title">${title}</title><desc id="${id}-text">${text}</desc>${body}</svg>`;
}

/** How many units a stretched box is wide. */
export const WIDE = 10_000;

/** A box over the whole width whose paths stretch: x from 0 to `WIDE`, y in pixels. */
export function stretched(top: number, height: number, body: Insert): Html {
  return html`<svg y="${n(top)}" width="100%" height="${n(height)}" viewBox="0 0 ${WIDE} ${n(height)}" preserveAspectRatio="none" aria-hidden="true">${body}</svg>`;
}

/** Equal columns next to each other as one outline; values are shares of the height, 0 to 1. */
export function columns(values: readonly number[], height: number, from = 0, width = WIDE): Html {
  let path = '';
  let level = 0;
  let open = false;
  const left = (i: number): number => Math.round(from + (i * width) / values.length);
  for (const [i, value] of values.entries()) {
    // What is there is seen, if only as a line.
    const pixels = value <= 0 ? 0 : Math.max(1, Math.round(value * height * 2) / 2);
    if (pixels === level && open) continue;
    path += open ? `H${left(i)}V${n(height - pixels)}` : `M${left(i)} ${n(height)}V${n(height - pixels)}`;
    level = pixels;
    open = true;
  }
  return trusted(open ? `${path}H${left(values.length)}V${n(height)}Z` : '');
}

/** Equal steps next to each other as one line; values are shares of the height, 0 to 1. */
export function steps(values: readonly number[], height: number): Html {
  const y = (value: number): number => n(height - Math.min(1, value) * height);
  const left = (i: number): number => Math.round((i * WIDE) / values.length);
  const path = values.map((value, i) => {
    const before = values[i - 1];
    if (before === undefined) return `M0 ${y(value)}`;
    return y(before) === y(value) ? '' : `H${left(i)}V${y(value)}`;
  });
  return trusted(values.length === 0 ? '' : `${path.join('')}H${WIDE}`);
}

/** A reader's word for a drawing: shown while the pointer rests on it. */
export function tip(text: string): Html {
  return html`<title>${text}</title>`;
}

/** Fills and marks that tell kinds apart without colour; once a page. */
export const DEFINITIONS = html`<svg width="0" height="0" class="definitions" aria-hidden="true"><defs>
<pattern id="slant" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="5" height="5" class="retried"/><rect width="2" height="5" class="over"/></pattern>
<pattern id="mesh" width="4" height="4" patternUnits="userSpaceOnUse"><rect width="4" height="4" class="failed"/><path d="M0 0L4 4M4 0L0 4" class="over-line"/></pattern>
<pattern id="dots" width="4" height="4" patternUnits="userSpaceOnUse"><rect width="4" height="4" class="interrupted"/><circle cx="2" cy="2" r="1" class="over"/></pattern>
<g id="mark-retried"><circle r="5" class="mark-ground"/><path d="M-3 -3L3 3M3 -3L-3 3" class="mark-retried"/></g>
<g id="mark-failed"><rect x="-6" y="-6" width="12" height="12" rx="2" class="failed"/><path d="M-3 -3L3 3M3 -3L-3 3" class="mark-over"/></g>
<g id="mark-interrupted"><circle r="5" class="mark-ground"/><path d="M-2 -4V4M2 -4V4" class="mark-interrupted"/></g>
<g id="mark-slow"><path d="M0 -6L6 0L0 6L-6 0Z" class="mark-slow"/></g>
</defs></svg>`;

/** What a sign in a chart means: a filled field, a mark, or a line. */
export interface LegendEntry {
  readonly swatch: { readonly kind: string; readonly fill?: string; readonly mark?: boolean };
  readonly words: string;
}

/** The signs of a chart and their meaning, in a line that wraps. */
export function legend(entries: readonly LegendEntry[]): Html {
  return html`<ul class="legend">${entries.map(
    ({ swatch, words }) =>
      html`<li><svg width="16" height="14" aria-hidden="true">${drawing(swatch)}</svg>${words}</li>`,
  )}</ul>`;
}

function drawing({ kind, fill, mark }: LegendEntry['swatch']): Html {
  if (kind === 'limit') return html`<line class="limit" x1="0" x2="16" y1="7" y2="7"/>`;
  if (mark === true) return html`<use href="#mark-${kind}" x="8" y="7"/>`;
  if (fill !== undefined) return html`<rect y="1" width="16" height="12" fill="${fill}"/>`;
  return html`<rect y="1" width="16" height="12" class="${kind}"/>`;
}
