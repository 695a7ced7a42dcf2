/** Control characters other than tab and newline, and characters that are invisible or change the direction of text. */
const STRANGE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it searches for control characters
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: it searches for a terminal's colour codes
const COLOUR = /\u001b\[[\d;]*m/g;

/** Text from the store, safe to show: characters that would hide or reverse text are replaced by their names. */
export function cleanText(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(COLOUR, '').replace(STRANGE, escapeCharacter);
}

function escapeCharacter(sign: string): string {
  const code = sign.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? '\u2421' : `\u27e8U+${code.toString(16).toUpperCase().padStart(4, '0')}\u27e9`;
}

/** Parses JSON and cleans each string in it. Throws `SyntaxError`. */
export function parseClean(json: string): unknown {
  return JSON.parse(json, (_, value) => (typeof value === 'string' ? cleanText(value) : value));
}

/** A command line for a POSIX shell; words with special characters are quoted. */
export function shellLine(words: readonly (string | number)[]): string {
  return words.map((word) => quoted(String(word))).join(' ');
}

const quoted = (word: string): string =>
  /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
