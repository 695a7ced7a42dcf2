import { once } from 'node:events';
import { createWriteStream, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BatchctlError } from '../errors.ts';
import { type Output, openFile, readOutput } from '../jobs/output.ts';
import { WithoutFirstLine } from '../lib/without-first-line.ts';
import type { OpenedGather } from '../model/decide.ts';
import { taskNumber } from '../model/keys.ts';
import { taskSetHas } from '../model/task-set.ts';
import type { ObjectStore } from '../ports/object-store.ts';

/** How many outputs are looked up ahead of the one that is being written. */
const AHEAD = 16;

export interface GatherSource {
  readonly store: ObjectStore;
  readonly job: string;
  /** The step before the gather, and how many tasks it can have. */
  readonly step: string;
  readonly size: number;
  readonly opened: OpenedGather;
}

/** The outputs that an opened gather takes, in task order, looked up ahead. Throws `corrupt` if one is gone. */
export async function* gatheredOutputs(source: GatherSource): AsyncGenerator<Output> {
  const ahead: Promise<Output>[] = [];
  for (const task of gatheredTasks(source)) {
    const output = lookUp(source, task);
    output.catch(() => undefined); // told when it is awaited in its turn
    ahead.push(output);
    if (ahead.length >= AHEAD) yield await (ahead.shift() as Promise<Output>);
  }
  for (const output of ahead) yield await output;
}

async function lookUp({ store, job, step }: GatherSource, task: number): Promise<Output> {
  const output = await readOutput(store, job, step, task);
  if (output !== null) return output;
  throw new BatchctlError('corrupt', `the output of ${step}/${task} is gone, though the gather was opened with it`, {
    hint: `batchctl verify ${job} --repair`,
  });
}

function* gatheredTasks({ size, opened }: GatherSource): Generator<number> {
  for (let task = 0; task < size; task += 1) if (!taskSetHas(opened.leftOut, task)) yield task;
}

/** Joins the outputs into one file; with `header: once` only the first one's first line is kept. Answers the bytes. */
export async function joinInto(
  source: GatherSource,
  path: string,
  header: 'once' | null,
  signal: AbortSignal,
): Promise<number> {
  const target = createWriteStream(path);
  let first = true;
  try {
    for await (const output of gatheredOutputs(source)) {
      for (const file of output.files) {
        if (file.size === 0) continue;
        const body = await openFile(source.store, file, signal);
        const filter = header === 'once' && !first ? new WithoutFirstLine() : new PassThrough();
        await pipeline(body, filter, target, { end: false, signal });
        first = false;
      }
    }
  } finally {
    await new Promise<void>((resolve) => target.end(() => resolve()));
  }
  return target.bytesWritten;
}

/** Lays the outputs down as files: `<task>`, or `<task>/<name>` for steps with many. Answers the bytes. */
export async function layInto(source: GatherSource, directory: string, signal: AbortSignal): Promise<number> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  let bytes = 0;
  for await (const output of gatheredOutputs(source)) {
    for (const file of output.files) {
      const path = join(directory, taskNumber(output.task), file.name);
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      await pipeline(await openFile(source.store, file, signal), createWriteStream(path), { signal });
      bytes += file.size;
    }
  }
  return bytes;
}

/** Writes a list of the outputs, one JSON line each: task, name, key, size, checksum. Answers the list's bytes. */
export async function listInto(source: GatherSource, path: string): Promise<number> {
  const target = createWriteStream(path);
  for await (const output of gatheredOutputs(source)) {
    for (const { name, key, size, checksum } of output.files) {
      const line = `${JSON.stringify({ task: output.task, name, key, size, checksum })}\n`;
      if (!target.write(line)) await once(target, 'drain');
    }
  }
  await new Promise<void>((resolve) => target.end(() => resolve()));
  return target.bytesWritten;
}
