import { formatCount, formatMany } from '../format.ts';

/** A piece of HTML or SVG. Only `html` and `rawHtml` create one, so foreign text can't get in unescaped. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** The values of a template: text is escaped, null and false render nothing, lists are joined. */
export type Insert = Html | string | number | null | false | readonly Insert[];

/** A template whose insertions are escaped, in text and in quoted attributes, unless they are `Html` themselves. */
export function html(strings: TemplateStringsArray, ...inserts: readonly Insert[]): Html {
  const parts = strings.flatMap((text, at) => (at < inserts.length ? [text, textOf(inserts[at] ?? null)] : [text]));
  return new Html(parts.join(''));
}

/** Inserts this program's own text unchanged, for styles and path data. Never use it for foreign text. */
export function rawHtml(text: string): Html {
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

/** Shows control characters as their pictures, and bidirectional controls, which could hide text, as question marks. */
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
  /** `number`: aligned right, with digits below digits. `name`: the row's name. `text`: may wrap. */
  readonly as: 'number' | 'name' | 'text';
  /** Left out on a phone. */
  readonly extra?: true;
}

/**
 * How a phone shows a table: it scrolls by itself (`scroll`), or each row becomes a card (`cards`). `fit` is only as
 * wide as its content, so that figures stay close to their names.
 */
type Shape = 'scroll' | 'cards' | 'fit' | 'fit compare';

/** A table. `name` is for screen readers. */
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

/** A column of counts; `bad`: those above 0 stand out. */
export function countColumn<Row>(title: string, of: (row: Row) => number, bad = false): Column<Row> {
  return {
    title,
    value: (row) => (bad && of(row) > 0 ? html`<b class="bad">${formatCount(of(row))}</b>` : formatCount(of(row))),
    as: 'number',
  };
}

export function facts(entries: readonly (readonly [name: string, value: Insert])[]): Html {
  return html`<dl class="facts">${entries.map(
    ([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`,
  )}</dl>`;
}

/** Says how many rows of a list are not shown; null if all are. */
export function notShownNote(total: number, shown: number, noun: string): Html | null {
  return total <= shown ? null : html`<p class="note">${formatMany(total - shown, `more ${noun}`)} not shown.</p>`;
}

/** Names in the store, task names and hashes. */
export function code(text: string): Html {
  return html`<code>${text}</code>`;
}

/** A section of the page with a heading. `lead` is a sentence that explains how to read it. */
export function section(id: string, title: string, lead: Insert, body: Insert): Html {
  return html`<section id="${id}" aria-labelledby="${id}-heading"><h2 id="${id}-heading">${title}</h2>${
    lead !== null && html`<p class="lead">${lead}</p>`
  }${body}</section>`;
}
