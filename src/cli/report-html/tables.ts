import { formatMany } from '../format.ts';
import { type Html, html, type Insert } from './html.ts';

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => Insert;
  /** `number`: to the right, digits under digits. `name`: what the row is called. `text`: may wrap. */
  readonly as: 'number' | 'name' | 'text';
  /** Left out on a phone. */
  readonly extra?: true;
}

/**
 * What a phone makes of a table: it scrolls by itself (`scroll`); each row becomes a card (`cards`). `fit` is as wide as its
 * content, so that the eye finds the figure that belongs to a name.
 */
export type Shape = 'scroll' | 'cards' | 'fit' | 'fit compare';

/** A table; `name` is read out, not shown. */
export function table<Row>(
  name: string,
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  shape: Shape = 'cards',
): Html {
  const looks = columns.map(({ as, extra }) => (extra === true ? `${as} extra` : as));
  return html`<div class="scroll" role="region" aria-label="${name}" tabindex="0"><table class="${shape}"><thead><tr>${columns.map(
    ({ title }, i) => html`<th scope="col" class="${looks[i] ?? ''}">${title}</th>`,
  )}</tr></thead><tbody>${rows.map(
    (row) =>
      html`<tr>${columns.map(({ title, value, as }, i) =>
        as === 'name'
          ? html`<th scope="row" class="name">${value(row)}</th>`
          : html`<td class="${looks[i] ?? ''}"${shape === 'cards' && html` data-label="${title}"`}>${value(row)}</td>`,
      )}</tr>`,
  )}</tbody></table></div>`;
}

/** Names and what they are, one under the other. */
export function facts(entries: readonly (readonly [name: string, value: Insert])[]): Html {
  return html`<dl class="facts">${entries.map(
    ([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`,
  )}</dl>`;
}

/** That a list goes on; nothing when it doesn't. */
export function andMore(total: number, shown: number, noun: string): Html | null {
  return total <= shown ? null : html`<p class="note">${formatMany(total - shown, `more ${noun}`)} not shown.</p>`;
}

/** Names of things in the store, of tasks and hashes. */
export function code(text: string): Html {
  return html`<code>${text}</code>`;
}

/** A part of the page under a heading; `lead` is a sentence that says how to read it. */
export function section(id: string, title: string, lead: Insert, body: Insert): Html {
  return html`<section id="${id}" aria-labelledby="${id}-heading"><h2 id="${id}-heading">${title}</h2>${
    lead !== null && html`<p class="lead">${lead}</p>`
  }${body}</section>`;
}
