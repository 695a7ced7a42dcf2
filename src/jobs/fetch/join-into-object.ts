import { createHash } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ahead } from '../../lib/ahead.ts';
import type { Bucket } from '../../ports/bucket.ts';
import { type Joining, joinedChunks, joinOutputs } from './join.ts';
import { verifiedOutput } from './verified.ts';

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
    const file = await open(path, 'wx');
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
  /** Of all of them, header lines and all. */
  readonly bytes: number;
}

/** What is joined, from the outputs' checksums alone. */
async function recipeOf({ source, tasks, header }: Joining): Promise<Recipe> {
  const hash = createHash('sha256').update(`${header ?? 'all'}\n`);
  let [outputs, bytes] = [0, 0];
  for await (const { files } of ahead(tasks, AHEAD, (task) => verifiedOutput(source, task))) {
    for (const { checksum, size } of files) {
      hash.update(`${checksum} ${size}\n`);
      bytes += size;
    }
    outputs += 1;
  }
  return { text: hash.digest('hex'), outputs, bytes };
}
