// Reads CSV as in RFC 4180: quoted fields may contain commas, newlines and doubled quotes; lines end with LF or CRLF.

/** The records of a stream, as arrays of fields, in batches: one await per batch rather than per record. */
export async function* recordBatches(stream) {
  stream.setEncoding('utf8');
  let rest = '';
  for await (const chunk of stream) {
    const text = rest + chunk;
    const { records, end } = complete(text);
    rest = text.slice(end);
    if (records.length > 0) yield records;
  }
  if (rest === '') return;
  const { records, end } = complete(`${rest}\n`);
  if (end <= rest.length) throw new SyntaxError('the last quoted field never ends');
  yield records;
}

/** All complete records of the text, and where the last one ends. */
function complete(text) {
  const records = [];
  let start = 0;
  let from = 0; // where to look for the newline that ends the record
  for (let newline = text.indexOf('\n'); newline !== -1; newline = text.indexOf('\n', from)) {
    from = newline + 1;
    const line = text.slice(start, newline);
    if (!line.includes('"')) records.push(unquoted(line));
    else if (quotes(line) % 2 === 0) records.push(fields(line));
    else continue; // within a quoted field: the record continues
    start = from;
  }
  return { records, end: start };
}

const withoutReturn = (line) => (line.endsWith('\r') ? line.slice(0, -1) : line);
const unquoted = (line) => withoutReturn(line).split(',');

function quotes(line) {
  let count = 0;
  for (let at = line.indexOf('"'); at !== -1; at = line.indexOf('"', at + 1)) count += 1;
  return count;
}

function fields(record) {
  const line = withoutReturn(record);
  const found = [];
  for (let at = 0; at <= line.length; ) {
    const isQuoted = line[at] === '"';
    const end = isQuoted ? closingQuote(line, at) + 1 : commaAfter(line, at);
    if (end < line.length && line[end] !== ',') throw new SyntaxError('text after a closing quote');
    found.push(isQuoted ? line.slice(at + 1, end - 1).replaceAll('""', '"') : line.slice(at, end));
    at = end + 1;
  }
  return found;
}

/** The position of the next comma, or of the record's end. */
function commaAfter(line, at) {
  const comma = line.indexOf(',', at);
  return comma === -1 ? line.length : comma;
}

function closingQuote(line, opening) {
  let at = line.indexOf('"', opening + 1);
  while (at !== -1 && line[at + 1] === '"') at = line.indexOf('"', at + 2);
  if (at === -1) throw new SyntaxError('a quoted field that never ends');
  return at;
}
