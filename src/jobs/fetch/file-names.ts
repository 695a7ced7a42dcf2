import { BatchctlError } from '../../errors.ts';
import { shardOf, stepPartShard } from '../../model/keys.ts';
import { type FilePart, PARTS_PER_SHARD } from '../../model/part.ts';
import type { JobView } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';

/** Tasks are asked for about in their order, some ahead: so many shards' names are kept. */
const SHARDS_KEPT = 2;

/** Answers the base name of the file that a task behind an `explode` took; `start` is the step that takes the files. */
export function fileNames(store: ObjectStore, view: JobView, start: number): (task: number) => Promise<string> {
  const { job, spec } = view.record;
  const shards = new Map<string, Promise<readonly string[]>>();
  return async (task) => {
    const key = stepPartShard(job, spec.steps[start]?.name ?? '', shardOf(task));
    const known = shards.get(key) ?? readNames(store, key);
    if (!shards.has(key) && shards.size >= SHARDS_KEPT) shards.delete(shards.keys().next().value ?? '');
    shards.set(key, known);
    const name = (await known)[task % PARTS_PER_SHARD];
    if (name !== undefined) return name;
    throw new BatchctlError('corrupt', `${key} does not hold part ${task}`, { hint: 'use --name {task}' });
  };
}

async function readNames(store: ObjectStore, key: string): Promise<readonly string[]> {
  const bytes = await store.read(key);
  if (bytes === null) {
    throw new BatchctlError('corrupt', `${key} is gone, which says what each task reads`, {
      hint: 'use --name {task}',
    });
  }
  const lines = Buffer.from(bytes).toString('utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const { name } = JSON.parse(line) as FilePart;
    return name.slice(name.lastIndexOf('/') + 1);
  });
}
