/** Separators that a header may show by itself: none can be part of a parameter's name. */
export const SEPARATORS = [',', ';', '\t', '|'] as const;

/** The fields of a record whose quotes a `CsvFinder` has checked, without its line end. No quoting if `quote` is empty. */
export const csvFields = (text: string, delimiter: string, quote: string): readonly string[] =>
  quote !== '' && text.includes(quote) ? unquoted(text, delimiter, quote) : text.split(delimiter);

function unquoted(text: string, delimiter: string, quote: string): readonly string[] {
  const values: string[] = [];
  for (let at = 0; at <= text.length; at += 1) {
    if (text[at] !== quote) {
      const end = text.indexOf(delimiter, at);
      values.push(text.slice(at, end === -1 ? text.length : end));
      at = end === -1 ? text.length : end;
      continue;
    }
    let value = '';
    for (at += 1; at < text.length; at += 1) {
      const close = text.indexOf(quote, at);
      value += text.slice(at, close);
      at = close + 1;
      if (text[at] !== quote) break;
      value += quote;
    }
    // A lone CR may follow a closing quote: it is part of the value.
    const end = text.indexOf(delimiter, at);
    values.push(value + text.slice(at, end === -1 ? text.length : end));
    at = end === -1 ? text.length : end;
  }
  return values;
}
