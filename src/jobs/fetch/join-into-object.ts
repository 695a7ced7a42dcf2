import { createHash } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ahead } from '../../lib/ahead.ts';
import type { Bucket } from '../../ports/bucket.ts';
import { type Joining, joinedChunks, joinOutputs } from './join.ts';
import { ENOUGH, lineEndAfter } from './text-join.ts';
import { type OutputSource, verifiedOutput } from './verified.ts';

/** The metadata's key that says which outputs an object was joined from, and how. */
const JOINED = 'batchctl-joined';
const AHEAD = 16;

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
