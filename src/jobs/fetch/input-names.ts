import { BatchctlError } from '../../errors.ts';
import { partShard, shardOf } from '../../model/keys.ts';
import { PARTS_PER_SHARD, type Part } from '../../model/part.ts';
import type { JobView } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';

/**
 * Answers the base name of the input that a task of the first section reads. Each shard of parts is read once; kept is
 * a number a task. Throws `usage` where the parts come from no input (a range, a grid).
 */
export function inputNames(store: ObjectStore, view: JobView): (task: number) => Promise<string> {
  const { job, inputs } = view.record;
  const shards = new Map<number, Promise<Int32Array>>();
  return async (task) => {
    const shard = shardOf(task);
    const known = shards.get(shard) ?? readInputs(store, partShard(job, shard));
    shards.set(shard, known);
    const index = (await known)[task % PARTS_PER_SHARD] ?? -1;
    const input = inputs[index];
    if (input === undefined) {
      throw new BatchctlError('usage', `--name: {input} names nothing, as ${job} was not cut from inputs`, {
        hint: 'use {task}',
      });
    }
    const name = input.name.slice(input.name.lastIndexOf('/') + 1).replace(/^store:/, '');
    return name === '-' ? 'stdin' : name;
  };
}

async function readInputs(store: ObjectStore, key: string): Promise<Int32Array> {
  const bytes = await store.read(key);
  if (bytes === null) {
    throw new BatchctlError('corrupt', `${key} is gone, which says what each task reads`, {
      hint: 'use --name {task}',
    });
  }
  const lines = Buffer.from(bytes).toString('utf8').trimEnd().split('\n');
  return Int32Array.from(lines, (line) => {
    const part = JSON.parse(line) as Part;
    return part.kind === 'params' ? -1 : part.input;
  });
}
