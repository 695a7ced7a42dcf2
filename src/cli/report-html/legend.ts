import { type Html, html } from './html.ts';

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
