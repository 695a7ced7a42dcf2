import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, open, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { bytesChecksum, fileChecksum } from '../../lib/file-checksum.ts';
import { mapAhead } from '../../lib/parallel.ts';
import { readRange } from '../../lib/read-file.ts';
import type { Join, JoinRule } from '../../model/job.ts';
import type { Bucket } from '../../ports/bucket.ts';
import type { Output } from '../output.ts';
import { ChunkCollector } from './chunk-collector.ts';
import { HeaderFilter, type HeaderQuote } from './header.ts';
import { LineEnds, NOTHING, PROBE_BYTES, tailsOf } from './line-ends.ts';
import { draftIn, isDeviceOrPipe, removeStaleDrafts, statOf, unwritable } from './target.ts';
import {
  isSingle,
  type OutputSource,
  refuseInput,
  SMALL,
  type Tally,
  verifiedBytes,
  verifiedChunks,
  verifiedOutput,
} from './verified.ts';

/** How many outputs are looked up, and read if small, ahead of the one being written. */
const AHEAD = 16;

export interface JoinOptions {
  readonly source: OutputSource;
  /** May be iterated more than once. */
  readonly tasks: Iterable<number>;
  /** `once`: keep the first line of the first output, and drop it from the others, which must begin with it. */
  readonly header: 'once' | null;
  /** How quotes are interpreted in a header that is kept once. */
  readonly quote: HeaderQuote;
  /** `lines`: if an output doesn't end in a line end, add one before the next output. */
  readonly join: JoinRule;
  /** Called with a guess between lines and bytes, if one was necessary. */
  readonly onGuess?: (join: Join) => void;
  readonly tally: Tally;
  readonly signal: AbortSignal | undefined;
  /** Called with each output, in task order, before its bytes. */
  readonly onOutput?: (output: Output) => void;
}

type Sink = (bytes: Uint8Array) => Promise<void>;

/**
 * Writes the outputs one after another, in task order. Throws `proof`, naming the task, for an altered output, and
 * `HeaderError` for one that doesn't begin with the header that is kept once.
 */
export async function joinOutputs(joining: JoinOptions, write: Sink): Promise<void> {
  const pieces = new ChunkCollector(write);
  for await (const chunk of joinedChunks(joining)) await pieces.add(chunk);
  await pieces.flush();
}

/** Yields the same bytes, for callers that pull them. */
async function* joinedChunks(joining: JoinOptions): AsyncGenerator<Uint8Array> {
  const { source, tally, signal } = joining;
  const lineEnds = new LineEnds(joining);
  const header = joining.header === 'once' ? new HeaderFilter(source, joining.quote) : null;
  let last: FileEnd = NO_END; // Of what was written before this file.
  for await (const { output, bytes } of mapAhead(joining.tasks, AHEAD, (task) => readAhead(source, task))) {
    joining.onOutput?.(output);
    for (const file of output.files) {
      if (file.size === 0) continue;
      const whole = bytes === null ? verifiedChunks(source, output.task, file, signal) : [bytes];
      let tail: Uint8Array = new Uint8Array(); // The tail of what was written of this file.
      for await (const chunk of header === null ? whole : header.filter(output.task, whole)) {
        signal?.throwIfAborted();
        if (chunk.length === 0) continue;
        const between = tail.length === 0 ? await lineEnds.after(last.tail, last.task) : NOTHING;
        if (between.length > 0) {
          yield between;
          tally.add({ bytes: between.length });
        }
        yield chunk;
        tally.add({ bytes: chunk.length });
        tail = tailAfter(tail, chunk);
      }
      if (tail.length > 0) last = { tail, task: output.task };
    }
    tally.add({ outputs: 1 });
  }
}

/** The last bytes of an output's file. */
interface FileEnd {
  readonly tail: Uint8Array;
  readonly task: number;
}

const NO_END: FileEnd = { tail: NOTHING, task: -1 };

interface ReadOutput {
  readonly output: Output;
  /** The bytes of a small single file; null: they are streamed in turn. */
  readonly bytes: Uint8Array | null;
}

async function readAhead(source: OutputSource, task: number): Promise<ReadOutput> {
  const output = await verifiedOutput(source, task);
  const [file] = output.files;
  const small = isSingle(output) && file !== undefined && file.size > 0 && file.size <= SMALL;
  return { output, bytes: small ? await verifiedBytes(source, task, file) : null };
}

/**
 * Joins the outputs into a file, which appears once it is complete and every checksum is verified. A file that already
 * has exactly these bytes is kept. A device or pipe is written directly.
 */
export async function joinIntoFile(joining: JoinOptions, path: string): Promise<void> {
  const special = isDeviceOrPipe(path);
  const directory = dirname(path);
  if (!special && joining.header === null && (await isJoined(joining, path))) return;
  const draft = special ? path : draftIn(directory);
  try {
    if (!special) {
      await refuseInput(joining.source, path);
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

/** True if each section has its output's published checksum, with only the expected line ends in between. */
async function isJoined(joining: JoinOptions, path: string): Promise<boolean> {
  const { source, tasks, tally, signal } = joining;
  const size = statOf(path)?.size;
  if (size === undefined) return false;
  const fd = openSync(path, 'r');
  let [outputs, offset] = [0, 0];
  const lineEnds = new LineEnds(joining);
  let last: FileEnd = NO_END;
  try {
    for await (const output of mapAhead(tasks, AHEAD, (task) => verifiedOutput(source, task))) {
      signal?.throwIfAborted();
      for (const file of output.files) {
        if (file.size === 0) continue;
        const between = await lineEnds.after(last.tail, last.task);
        if (!readRange(fd, { offset, length: between.length }).equals(between)) return false;
        offset += between.length;
        if (offset + file.size > size) return false;
        const stretch = { offset, length: file.size };
        // A small file is read at once, because a stream would cost more than the read.
        const small = file.size <= SMALL;
        const found = small
          ? bytesChecksum(readRange(fd, stretch))
          : await fileChecksum(path, { ...stretch, ...(signal && { signal }) });
        if (found !== file.checksum) return false;
        offset += file.size;
        if (!lineEnds.adds) continue;
        const length = Math.min(PROBE_BYTES, file.size);
        last = { tail: readRange(fd, { offset: offset - length, length }), task: output.task };
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

/** The metadata key that records which outputs an object was joined from, and how. */
const JOINED = 'batchctl-joined';

/**
 * Joins the outputs into one object, which appears whole. Repeating the command resumes an interrupted upload. An
 * object already joined from exactly these outputs is kept.
 */
export async function joinIntoObject(joining: JoinOptions, bucket: Bucket, key: string): Promise<void> {
  await refuseInput(joining.source, `${bucket.location}/${key}`);
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

/** Dropped header lines make the size unknown in advance, so the outputs are first joined in a file in `TMPDIR`. */
async function joinByFile(joining: JoinOptions, upload: (path: string) => Promise<unknown>): Promise<void> {
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
  /** The size of all outputs and the line ends between them, header lines included. */
  readonly bytes: number;
}

/**
 * The facts of a join: the outputs' checksums and the line ends between them. Reads only the outputs' ends, because S3
 * must know the size in advance.
 */
async function recipeOf(joining: JoinOptions): Promise<Recipe> {
  const { source, tasks, header, join } = joining;
  const hash = createHash('sha256').update(`${header === null ? 'all' : `header once, ${join}`}\n`);
  const lineEnds = new LineEnds(joining);
  const reads = header === null && lineEnds.adds;
  let [outputs, bytes, last] = [0, 0, NO_END];
  for await (const { task, files, tails } of mapAhead(tasks, AHEAD, (n) => withTails(source, n, reads))) {
    for (const [n, { checksum, size }] of files.entries()) {
      const between = size === 0 ? 0 : (await lineEnds.after(last.tail, last.task)).length;
      if (between > 0) hash.update(`${between}\n`);
      hash.update(`${checksum} ${size}\n`);
      if (size === 0) continue;
      bytes += between + size;
      last = { tail: tails[n] ?? NOTHING, task };
    }
    outputs += 1;
  }
  return { text: hash.digest('hex'), outputs, bytes };
}

/** An output's files, with the last bytes of each. */
async function withTails(source: OutputSource, task: number, reads: boolean) {
  const { files } = await verifiedOutput(source, task);
  return { task, files, tails: reads ? await tailsOf(source, files) : [] };
}

/** The last bytes of the output so far, after a further chunk; `before` is the former tail. */
function tailAfter(before: Uint8Array, chunk: Uint8Array): Uint8Array {
  const whole = before.length === 0 || chunk.length >= PROBE_BYTES ? chunk : Buffer.concat([before, chunk]);
  return whole.subarray(-PROBE_BYTES);
}
