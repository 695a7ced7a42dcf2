import { formatDuration } from '../../lib/units.ts';
import { wallTime } from '../../model/wall-time.ts';
import { formatCount, formatMany } from '../format.ts';

/** A piece of HTML or SVG. Only `html` and `rawHtml` create one, so foreign text can't get in unescaped. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What a template accepts: text is escaped, null and false render nothing, lists are joined. */
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

/** How the report prints figures. An unknown one is said to be unknown, never shown as 0. */

/** A figure, or a note that it is unknown. */
export function formatOrUnknown<T>(value: T | null, format: (value: T) => string | Html): string | Html {
  return value === null ? html`<span class="unknown">not known</span>` : format(value);
}

/** `93 %`, `0.4 %`, `< 0.1 %`: a share of 0 to 1. */
export function formatShare(share: number): string {
  const percent = share * 100;
  if (percent > 0 && percent < 0.1) return '< 0.1 %';
  return percent < 10 || (percent > 99 && percent < 100)
    ? `${Number((Math.floor(percent * 10) / 10).toFixed(1))} %`
    : `${Math.round(percent)} %`;
}

/** `950`, `1.2k`, `35k`, `1.5M`: short enough for an axis. */
export function formatShort(count: number): string {
  if (count < 1000) return String(Number(count.toPrecision(3)));
  const [value, unit] = count < 999_500 ? [count / 1e3, 'k'] : [count / 1e6, 'M'];
  return `${Number(value.toPrecision(3))}${unit}`;
}

/** The unit in which a rate (per second) is at least 1; otherwise hours. */
export function rateUnit(perSecond: number): {
  readonly name: string;
  readonly sign: string;
  readonly seconds: number;
} {
  if (perSecond >= 1) return { name: 'second', sign: '/s', seconds: 1 };
  if (perSecond * 60 >= 1) return { name: 'minute', sign: '/min', seconds: 60 };
  return { name: 'hour', sign: '/h', seconds: 3600 };
}

/** `12.4/s`, `3/min`, `0.5/h` */
export function formatPace(perSecond: number): string {
  const { sign, seconds } = rateUnit(perSecond);
  const value = perSecond * seconds;
  return `${value < 100 ? Number(value.toFixed(1)) : formatCount(Math.round(value))}${sign}`;
}

/** `2h5m` rather than `2 h 5 min`; `0s` for zero. */
export function formatSeconds(seconds: number): string {
  return seconds === 0 ? '0s' : formatDuration(seconds);
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `30 Nov 2026, 18:30:05` in the zone's time. `instant` is ISO-8601. */
export function formatWhen(instant: string, zone: string): string {
  const { year, month, day } = wallTime(Date.parse(instant), zone);
  return `${day} ${MONTHS[month - 1]} ${year}, ${clockOf(Date.parse(instant), zone)}`;
}

/** `18:30:05` of an instant in milliseconds. */
export function clockOf(instant: number, zone: string): string {
  const { hour, minute, second } = wallTime(instant, zone);
  return [hour, minute, second].map((value) => String(value).padStart(2, '0')).join(':');
}

/** `30 Nov` of an instant in milliseconds. */
export function dayOf(instant: number, zone: string): string {
  const { month, day } = wallTime(instant, zone);
  return `${day} ${MONTHS[month - 1]}`;
}

/** Start and end; the day appears once if it is the same. */
export function formatSpan(from: string, to: string, zone: string): string {
  const [start, end] = [formatWhen(from, zone), formatWhen(to, zone)];
  const [day, clock] = end.split(', ');
  return start.startsWith(`${day},`) ? `${start} to ${clock}` : `${start} to ${end}`;
}

/** The beginning of a long text, and the length of the rest. */
export function clip(text: string, limit = 300): string {
  return text.length <= limit ? text : `${text.slice(0, limit)} … (${formatCount(text.length)} characters)`;
}

/** The start and end of a name, in `limit` characters. Slots differ at the end of their names. */
export function shorten(name: string, limit: number): string {
  if (name.length <= limit) return name;
  const head = Math.floor((limit - 1) / 3);
  return `${name.slice(0, head)}…${name.slice(name.length - (limit - 1 - head))}`;
}

/** The end of a name, where space is short. */
export function keepEnd(name: string, limit: number): string {
  return name.length <= limit ? name : `…${name.slice(name.length - limit + 1)}`;
}

/** Two instants, one below the other; the day appears once if it is the same. */
export function spanCell(from: string, to: string, zone: string): Html {
  const [start, till] = formatSpan(from, to, zone).split(' to ');
  return html`<span class="when">${start ?? ''}</span><small class="when">to ${till ?? ''}</small>`;
}
