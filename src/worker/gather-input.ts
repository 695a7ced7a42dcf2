import { createWriteStream, mkdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Joining, joinOutputs } from '../jobs/fetch/join.ts';
import { Tally } from '../jobs/fetch/tally.ts';
import { HeaderRefused } from '../jobs/fetch/text-join.ts';
import { verifiedChunks, verifiedOutput } from '../jobs/fetch/verified.ts';
import { ahead } from '../lib/ahead.ts';
import type { OpenedGather } from '../model/decide.ts';
import type { StepSpec } from '../model/job.ts';
import { taskNumber } from '../model/keys.ts';
import { tasksWithout } from '../model/task-set.ts';
import type { ObjectStore } from '../ports/object-store.ts';

/** The number of outputs looked up ahead of the current one. */
const AHEAD = 16;

export interface GatherSource {
  readonly store: ObjectStore;
  readonly job: string;
  /** The step before the gather, and how many tasks it can have. */
  readonly step: string;
  readonly size: number;
  readonly opened: OpenedGather;
}

/** The tasks that an opened gather takes, ascending: all except those left out. */
function gatheredTasks({ size, opened }: GatherSource): Iterable<number> {
  return tasksWithout(opened.leftOut, size);
}

/**
 * Joins the outputs into one file for the gather, reading ahead and comparing checksums; with `header: once` it keeps
 * only the first one's first line. Returns the bytes. Throws `proof` for an output that is gone or altered, and
 * `HeaderRefused`, with the fix in its message, for one without that first line.
 */
export async function joinInto(
  source: GatherSource,
  path: string,
  gather: Pick<StepSpec, 'name' | 'header'> & Pick<Joining, 'join' | 'quote'>,
  signal: AbortSignal,
): Promise<number> {
  const tally = new Tally(source.opened.count);
  const target = await open(path, 'w', 0o600);
  try {
    const tasks = gatheredTasks(source);
    const { header, quote, join } = gather;
    await joinOutputs({ source, tasks, header, quote, join, tally, signal }, (bytes) => target.writeFile(bytes));
  } catch (error) {
    if (!(error instanceof HeaderRefused)) throw error;
    const way = `remove header from step ${gather.name} in the job file, then batchctl retry ${source.job} --with JOBFILE`;
    throw new HeaderRefused(`${error.message}; ${way}`);
  } finally {
    await target.close();
  }
  return tally.now.bytes;
}

/** Writes the outputs as files: `<task>`, or `<task>/<name>` for steps with several. Returns the bytes. */
export async function layInto(source: GatherSource, directory: string, signal: AbortSignal): Promise<number> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  let bytes = 0;
  for await (const output of ahead(gatheredTasks(source), AHEAD, (task) => verifiedOutput(source, task))) {
    for (const file of output.files) {
      const path = join(directory, taskNumber(output.task), file.name);
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      await pipeline(verifiedChunks(source, output.task, file, signal), createWriteStream(path, { mode: 0o600 }), {
        signal,
      });
      bytes += file.size;
    }
  }
  return bytes;
}

/** Writes a list of the outputs, one JSON line each: task, name, key, size, checksum. Returns the list's bytes. */
export async function listInto(source: GatherSource, path: string): Promise<number> {
  const target = await open(path, 'w', 0o600);
  let written = 0;
  try {
    for await (const output of ahead(gatheredTasks(source), AHEAD, (task) => verifiedOutput(source, task))) {
      const lines = output.files.map(({ name, key, size, checksum }) =>
        Buffer.from(`${JSON.stringify({ task: output.task, name, key, size, checksum })}\n`),
      );
      const bytes = Buffer.concat(lines);
      await target.writeFile(bytes);
      written += bytes.length;
    }
  } finally {
    await target.close();
  }
  return written;
}
