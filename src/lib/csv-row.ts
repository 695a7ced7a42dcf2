/** A row of CSV (RFC 4180) with its line end. Null is an empty cell. */
export function csvRow(cells: readonly (string | number | null)[], delimiter = ','): string {
  const isSpecial = (text: string): boolean => text.includes(delimiter) || /["\r\n]/.test(text);
  const quoted = (text: string): string => (isSpecial(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return `${cells.map((cell) => (typeof cell === 'string' ? quoted(cell) : (cell ?? ''))).join(delimiter)}\r\n`;
}

/** A text from outside, which must not become a formula in a spreadsheet. A number stays as it is. */
export function plainCell(text: string | null): string | null {
  return text !== null && /^[=+\-@\t\r]/.test(text) && !/^[+-]?[\d.]+(e[+-]?\d+)?$/i.test(text) ? `'${text}` : text;
}
