import { BatchctlError } from '../../errors.ts';

const NEWLINE = 10;
const RETURN = 13;
/** Bytes of a line of a list: it must fit a task's arguments and environment. */
export const ITEM_LIMIT = 256 * 1024;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The non-empty lines of a list, a batch a chunk; CR LF ends a line too, a byte order mark is dropped.
 * Throws `jobFile`, with the line's number, for a line over 256 KiB or one that is not UTF-8.
 */
export async function* listItems(name: string, chunks: AsyncIterable<Buffer>): AsyncGenerator<readonly string[]> {
  let rest: Buffer[] = [];
  let restLength = 0;
  let line = 1;
  const finished = (): string => {
    const item = itemOf(name, line, Buffer.concat(rest, restLength));
    line += 1;
    rest = [];
    restLength = 0;
    return item;
  };
  for await (const chunk of chunks) {
    const items: string[] = [];
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      rest.push(chunk.subarray(from, at));
      restLength += at - from;
      from = at + 1;
      const item = finished();
      if (item !== '') items.push(item);
    }
    rest.push(chunk.subarray(from));
    restLength += chunk.length - from;
    // One more for a CR that belongs to the line's end.
    if (restLength > ITEM_LIMIT + 1) throw tooLong(name, line);
    yield items;
  }
  const item = finished();
  if (item !== '') yield [item];
}

function itemOf(name: string, line: number, bytes: Buffer): string {
  const end = bytes.at(-1) === RETURN ? bytes.length - 1 : bytes.length;
  const start = line === 1 && bytes.indexOf('\ufeff') === 0 ? 3 : 0;
  if (end - start > ITEM_LIMIT) throw tooLong(name, line);
  try {
    return decoder.decode(bytes.subarray(start, end));
  } catch (cause) {
    throw new BatchctlError('jobFile', `${name}, line ${line} is not UTF-8, which a list requires`, {
      cause,
      hint: 'convert it (`iconv -t utf-8`), or use by: lines, which accepts any bytes',
    });
  }
}

function tooLong(name: string, line: number): BatchctlError {
  return new BatchctlError(
    'jobFile',
    `${name}, line ${line} is longer than ${ITEM_LIMIT} bytes, the limit for lines of a list`,
    {
      hint: 'a list contains names; use by: lines or by: jsonl for data',
    },
  );
}
