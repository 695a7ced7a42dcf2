import { createReadStream } from 'node:fs';
import { BatchctlError, hasCode } from '../../../errors.ts';

/** One line of a file. */
export interface FileLine {
  /** From 1. */
  readonly number: number;
  /** Its bytes, without the newline. */
  readonly bytes: Buffer;
  /** False for a last line that the file breaks off in. */
  readonly whole: boolean;
}

const CHUNK = 1024 * 1024;
/** No line of an evidence file comes near this: a longer one is taken for the end of what can be read. */
const LONGEST = 256 * 1024 * 1024;
const NEWLINE = 0x0a;

/** The lines of a file of any length, in memory of a line. Throws `notFound` and `usage` for what can't be read. */
export async function* readLines(path: string, signal?: AbortSignal): AsyncGenerator<FileLine> {
  let rest: Buffer[] = [];
  let length = 0;
  let number = 0;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: CHUNK, ...(signal && { signal }) })) {
      const bytes = chunk as Buffer;
      let from = 0;
      for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, from)) {
        const end = bytes.subarray(from, at);
        number += 1;
        yield { number, bytes: rest.length === 0 ? end : Buffer.concat([...rest, end]), whole: true };
        rest = [];
        length = 0;
        from = at + 1;
      }
      if (from < bytes.length) rest.push(bytes.subarray(from));
      length += bytes.length - from;
      if (length > LONGEST) break;
    }
  } catch (cause) {
    if (hasCode(cause, 'ENOENT', 'ENOTDIR')) throw new BatchctlError('notFound', `there is no file ${path}`, { cause });
    if (hasCode(cause, 'EISDIR', 'EACCES', 'EPERM'))
      throw new BatchctlError('usage', `${path} is not a readable file`, { cause });
    throw cause;
  }
  if (length > 0) yield { number: number + 1, bytes: Buffer.concat(rest), whole: false };
}
