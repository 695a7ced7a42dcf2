import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, open, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { hasCode } from '../../errors.ts';
import { ahead } from '../../lib/ahead.ts';
import { bytesChecksum, fileChecksum, stretchOf } from '../../lib/file-checksum.ts';
import { PieceCollector } from '../../lib/piece-collector.ts';
import type { Join } from '../../model/job.ts';
import type { Bucket } from '../../ports/bucket.ts';
import type { Output } from '../output.ts';
import type { Tally } from './tally.ts';
import { draftIn, isSpecial, removeStaleDrafts, unwritable } from './target.ts';
import { ENOUGH, HeaderOnce, type HeaderQuote, lineEndAfter, tailAfter } from './text-join.ts';
import {
  isSingle,
  type OutputSource,
  refuseInput,
  SMALL,
  verifiedBytes,
  verifiedChunks,
  verifiedOutput,
} from './verified.ts';

/** How many outputs are looked up, and if small read, ahead of the one that is being written. */
const AHEAD = 16;

export interface Joining {
  readonly source: OutputSource;
  readonly tasks: Iterable<number>;
  /** `once`: the first line of the first output is kept, and dropped from the others, which must begin with it. */
  readonly header: 'once' | null;
  /** How quotes are read in a header that is kept once. */
  readonly quote: HeaderQuote;
  /** `lines`: where an output that is text doesn't end in a line end, one is put before the next. */
  readonly join: Join;
  readonly tally: Tally;
  readonly signal: AbortSignal | undefined;
}

type Sink = (bytes: Uint8Array) => Promise<void>;

/**
 * Writes the outputs, in task order, one after another. Throws `proof`, naming the task, for an altered one, and
 * `HeaderRefused` for one that doesn't begin with the header that is to be kept once.
 */
export async function joinOutputs(joining: Joining, write: Sink): Promise<void> {
  const pieces = new PieceCollector(write);
  for await (const chunk of joinedChunks(joining)) await pieces.add(chunk);
  await pieces.flush();
}

/** The same as they come; for who asks for them. */
async function* joinedChunks(joining: Joining): AsyncGenerator<Uint8Array> {
  const { source, join, tally, signal } = joining;
  const header = joining.header === 'once' ? new HeaderOnce(source, joining.quote) : null;
  let last: Uint8Array = new Uint8Array(); // of what was written before the file
  for await (const { output, bytes } of ahead(joining.tasks, AHEAD, (task) => readAhead(source, task))) {
    for (const file of output.files) {
      if (file.size === 0) continue;
      const whole = bytes === null ? verifiedChunks(source, output.task, file, signal) : [bytes];
      let tail: Uint8Array = new Uint8Array(); // of what was written of the file
      for await (const chunk of header === null ? whole : header.kept(output.task, whole)) {
        signal?.throwIfAborted();
        if (chunk.length === 0) continue;
        const between = tail.length === 0 && join === 'lines' ? lineEndAfter(last) : null;
        if (between !== null && between.length > 0) {
          yield between;
          tally.add({ bytes: between.length });
        }
        yield chunk;
        tally.add({ bytes: chunk.length });
        tail = tailAfter(tail, chunk);
      }
      if (tail.length > 0) last = tail;
    }
    tally.add({ outputs: 1 });
  }
}

interface Ready {
  readonly output: Output;
  /** Its only file's bytes where they are small; null: they are streamed in their turn. */
  readonly bytes: Uint8Array | null;
}

async function readAhead(source: OutputSource, task: number): Promise<Ready> {
  const output = await verifiedOutput(source, task);
  const [file] = output.files;
  const small = isSingle(output) && file !== undefined && file.size > 0 && file.size <= SMALL;
  return { output, bytes: small ? await verifiedBytes(source, task, file) : null };
}

/**
 * Joins the outputs into a file, which appears under its name once it is whole and every checksum was right.
 * A file that holds just these bytes is kept. A device or pipe is written to as it is.
 */
export async function joinIntoFile(joining: Joining, path: string): Promise<void> {
  const special = isSpecial(path);
  const directory = dirname(path);
  if (!special && joining.header === null && (await isJoined(joining, path))) return;
  const draft = special ? path : draftIn(directory);
  try {
    if (!special) {
      refuseInput(joining.source, path);
      await mkdir(directory, { recursive: true });
      await removeStaleDrafts(directory);
    }
    const target = await open(draft, special ? 'w' : 'wx');
    try {
      await joinOutputs(joining, (bytes) => target.writeFile(bytes));
    } finally {
      await target.close();
    }
    if (!special) await rename(draft, path);
  } catch (error) {
    if (!special) await rm(draft, { force: true });
    throw unwritable(path, error);
  }
}

/**
 * Whether the file is the outputs, joined: each stretch of it has the checksum that its output was published with, and
 * only the line ends that belong there lie between.
 */
async function isJoined({ source, tasks, join, tally, signal }: Joining, path: string): Promise<boolean> {
  const size = await sizeOf(path);
  if (size === null) return false;
  const fd = openSync(path, 'r');
  let [outputs, offset] = [0, 0];
  let between: Uint8Array = new Uint8Array();
  try {
    for await (const output of ahead(tasks, AHEAD, (task) => verifiedOutput(source, task))) {
      signal?.throwIfAborted();
      for (const file of output.files) {
        if (file.size === 0) continue;
        if (!stretchOf(fd, { offset, length: between.length }).equals(between)) return false;
        offset += between.length;
        if (offset + file.size > size) return false;
        const stretch = { offset, length: file.size };
        // A small one is read at once: a stream would cost more than the reading.
        const small = file.size <= SMALL;
        const found = small
          ? bytesChecksum(stretchOf(fd, stretch))
          : await fileChecksum(path, { ...stretch, ...(signal && { signal }) });
        if (found !== file.checksum) return false;
        offset += file.size;
        if (join !== 'lines') continue;
        const length = Math.min(ENOUGH, file.size);
        between = lineEndAfter(stretchOf(fd, { offset: offset - length, length }));
      }
      outputs += 1;
    }
  } finally {
    closeSync(fd);
  }
  if (offset !== size) return false;
  tally.add({ outputs, kept: outputs, bytes: size });
  return true;
}

async function sizeOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return null;
    throw unwritable(path, error);
  }
}

/** The metadata's key that says which outputs an object was joined from, and how. */
const JOINED = 'batchctl-joined';

/**
 * Joins the outputs into one object, which appears whole; an upload that was broken off is taken up by the same command.
 * An object that was joined from these very outputs is kept.
 */
export async function joinIntoObject(joining: Joining, bucket: Bucket, key: string): Promise<void> {
  const recipe = await recipeOf(joining);
  const { tally, signal } = joining;
  const there = await bucket.head(key);
  if (there?.metadata[JOINED] === recipe.text) {
    tally.add({ outputs: recipe.outputs, kept: recipe.outputs, bytes: there.size });
    return;
  }
  const options = { metadata: { [JOINED]: recipe.text }, ...(signal && { signal }) };
  if (joining.header === null) await bucket.uploadStream(key, recipe.bytes, () => joinedChunks(joining), options);
  else await joinByFile(joining, (path) => bucket.uploadFile(path, key, options));
}

/** Without header lines nobody knows the size beforehand: it passes through a file, in `TMPDIR`. */
async function joinByFile(joining: Joining, upload: (path: string) => Promise<unknown>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'batchctl-join-'));
  try {
    const path = join(directory, 'joined');
    const file = await open(path, 'wx', 0o600);
    try {
      await joinOutputs(joining, (bytes) => file.writeFile(bytes));
    } finally {
      await file.close();
    }
    await upload(path);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

interface Recipe {
  readonly text: string;
  readonly outputs: number;
  /** Of all of them, and of the line ends between them; header lines and all. */
  readonly bytes: number;
}

/** What is joined: the outputs' checksums, and the line ends between them. */
async function recipeOf({ source, tasks, header, join }: Joining): Promise<Recipe> {
  const hash = createHash('sha256').update(`${header === null ? 'all' : `header once, ${join}`}\n`);
  const reads = header === null && join === 'lines';
  let [outputs, bytes, between] = [0, 0, 0];
  for await (const { files, ends } of ahead(tasks, AHEAD, (task) => withLineEnds(source, task, reads))) {
    for (const [n, { checksum, size }] of files.entries()) {
      if (size > 0 && between > 0) hash.update(`${between}\n`);
      hash.update(`${checksum} ${size}\n`);
      if (size === 0) continue;
      bytes += between + size;
      between = ends[n] ?? 0;
    }
    outputs += 1;
  }
  return { text: hash.digest('hex'), outputs, bytes };
}

/** An output's files, and how many bytes of line end a join puts behind each: of their ends alone, as S3 must know the size. */
async function withLineEnds(source: OutputSource, task: number, reads: boolean) {
  const { files } = await verifiedOutput(source, task);
  const ends: number[] = [];
  for (const { key, size } of reads ? files : []) {
    const length = Math.min(ENOUGH, size);
    const tail = length === 0 ? null : await source.store.read(key, { range: { offset: size - length, length } });
    ends.push(tail === null ? 0 : lineEndAfter(tail).length);
  }
  return { files, ends };
}
