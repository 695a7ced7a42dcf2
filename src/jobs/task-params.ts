import { BatchctlError } from '../errors.ts';
import { ownValue } from '../lib/json.ts';
import { sectionStart, takesFiles } from '../model/job.ts';
import { partShardKey } from '../model/keys.ts';
import { parsePart, partParams, type TaskParams } from '../model/part.ts';
import type { JobView } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';

/** The parameters that tasks are asked for: of each name, a value. */
export type WantedParams = TaskParams;

/** Whether a step's tasks belong to the parts of the input, and so may have parameters. */
export function mayHaveParams({ record: { spec } }: JobView, step: number): boolean {
  const start = sectionStart(spec.steps, step);
  return start === 0 && spec.steps[0]?.gather !== true && !takesFiles(spec.steps, start);
}

/** The most bytes of a part that are read to see its names. */
const PART_BYTES = 2 ** 20;

/** The names of the parameters that the split gives each task; none if it gives none, or its parts can't be read. */
export async function paramNames(store: ObjectStore, { record }: JobView): Promise<readonly string[]> {
  const split = record.spec.input?.split;
  switch (split?.by) {
    case undefined:
      return [];
    case 'grid':
      return Object.keys(split.axes);
    default: {
      const bytes = await store.read(partShardKey(record.job, 0), { range: { offset: 0, length: PART_BYTES } });
      const [first = ''] = bytes === null ? [] : Buffer.from(bytes).toString('utf8').split('\n', 1);
      const part = parsePart(first);
      return Object.keys((part && partParams(part)) ?? {});
    }
  }
}

/** Throws `usage` for a name that the job's tasks have no parameter of. */
export async function requireParamNames(store: ObjectStore, view: JobView, wanted: WantedParams): Promise<void> {
  const known = await paramNames(store, view);
  const unknown = Object.keys(wanted).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const has = known.length === 0 ? 'its split gives them none' : `they have ${known.join(', ')}`;
  throw new BatchctlError('usage', `the tasks of job ${view.record.job} have no parameter ${unknown}: ${has}`, {
    hint: `batchctl tasks ${view.record.job}`,
  });
}

/** Whether a task has all the wanted values, as they are written. */
export const hasParams = (params: TaskParams | null, wanted: WantedParams): boolean =>
  Object.entries(wanted).every(([name, value]) => params !== null && ownValue(params, name) === value);
