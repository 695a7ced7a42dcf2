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
