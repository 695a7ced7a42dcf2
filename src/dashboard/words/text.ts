/** Controls other than tab and newline, and what turns the direction of text or can't be seen. */
const STRANGE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: what colours text in a terminal
const COLOUR = /\u001b\[[\d;]*m/g;

/** A store's text as it can be shown: what would hide, or change the look of what stands beside it, is named. */
export function cleanText(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(COLOUR, '').replace(STRANGE, shown);
}

function shown(sign: string): string {
  const code = sign.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? '\u2421' : `\u27e8U+${code.toString(16).toUpperCase().padStart(4, '0')}\u27e9`;
}

/** Parses what came from a store: each text in it is clean. Throws `SyntaxError`. */
export function parseClean(json: string): unknown {
  return JSON.parse(json, (_, value) => (typeof value === 'string' ? cleanText(value) : value));
}

/** A command line as a shell takes it: what isn't plain is quoted. */
export function shellLine(words: readonly (string | number)[]): string {
  return words.map((word) => quoted(String(word))).join(' ');
}

const quoted = (word: string): string =>
  /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
