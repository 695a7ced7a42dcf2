/** A command line as a shell takes it: what isn't plain is quoted. */
export function shellLine(words: readonly (string | number)[]): string {
  return words.map((word) => quoted(String(word))).join(' ');
}

const quoted = (word: string): string =>
  /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
