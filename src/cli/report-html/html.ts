import { formatMany } from '../format.ts';

/** A piece of HTML or SVG: only `html` and `trusted` make one, so nothing from outside gets in unescaped. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What may stand in a template: text is escaped, null and false are nothing, lists are joined. */
export type Insert = Html | string | number | null | false | readonly Insert[];

/** A template whose insertions are escaped, in text and in quoted attributes, unless they are `Html` themselves. */
export function html(strings: TemplateStringsArray, ...inserts: readonly Insert[]): Html {
  const parts = strings.flatMap((text, at) => (at < inserts.length ? [text, textOf(inserts[at] ?? null)] : [text]));
  return new Html(parts.join(''));
}

/** Text of this program's own, as it is: styles and path data. Never for anything that came from outside. */
export function trusted(text: string): Html {
  return new Html(text);
}

function textOf(insert: Insert): string {
  if (insert === null || insert === false) return '';
  if (insert instanceof Html) return insert.text;
  if (typeof insert === 'object') return insert.map(textOf).join('');
  return escaped(visible(String(insert)));
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => ENTITIES[sign] ?? sign);
}

/** Control characters as their pictures; signs that turn the direction of writing, which could hide a text, as a question. */
function visible(text: string): string {
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      .replace(/[\u0000-\u0008\u000b-\u001f]/g, (sign) => String.fromCharCode(0x2400 + sign.charCodeAt(0)))
      .replace(/[\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')
  );
}

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
type Shape = 'scroll' | 'cards' | 'fit' | 'fit compare';

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
