import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { type Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { hasCode } from '../../../errors.ts';
import { Refusal } from '../refusal.ts';

/** Writes a body to a file, and removes it unless it has just so many bytes. Answers their SHA-256. */
export async function stage(body: Readable, path: string, size: number, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  let count = 0;
  const counted = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      count += chunk.length;
      if (count > size) throw wrong(`${size} bytes`, 'more');
      hash.update(chunk);
      yield chunk;
    }
  };
  try {
    await pipeline(body, counted, createWriteStream(path, { flags: 'wx', mode: 0o600 }), { signal });
    if (count < size) throw wrong(`${size} bytes`, String(count));
    return hash.digest('hex');
  } catch (error) {
    await rm(path, { force: true });
    if (!hasCode(error, 'ENOSPC', 'EDQUOT')) throw error;
    throw new Refusal(507, 'full', 'the manager has no disk space for so many bytes', {
      hint: "free disk space on the manager's host",
    });
  }
}

/** An archive may hold so many bytes: what workers unpack. */
const LARGEST_ARCHIVE = 512 * 2 ** 20;

/** The SHA-256 of an archive before it was compressed, which is what its key is named by. Throws `Refusal` for no gzip. */
export async function archiveHash(path: string): Promise<string> {
  const hash = createHash('sha256');
  let count = 0;
  const into = new Writable({
    write: (chunk: Buffer, _, done) => {
      count += chunk.length;
      hash.update(chunk);
      done(count > LARGEST_ARCHIVE ? wrong(`an archive of at most ${LARGEST_ARCHIVE} bytes`, 'more') : null);
    },
  });
  try {
    await pipeline(createReadStream(path), createGunzip(), into);
  } catch (error) {
    if (hasCode(error, 'Z_DATA_ERROR', 'Z_BUF_ERROR')) throw wrong('an archive compressed by gzip', 'other data');
    throw error;
  }
  return hash.digest('hex');
}

export const wrong = (expected: string, found: string): Refusal =>
  new Refusal(422, 'changed', `expected ${expected}, found ${found}: nothing was stored`, { hint: 'send it again' });
