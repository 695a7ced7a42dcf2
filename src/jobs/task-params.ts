import { BatchctlError } from '../errors.ts';
import { ownValue } from '../lib/json.ts';
import { sectionStart, takesFiles } from '../model/job.ts';
import { paramsText, parsePart, partParams, type TaskParams } from '../model/part.ts';
import { partPlace, partShards } from '../model/part-shards.ts';
import type { JobView } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import { parseTaskName, requireStep, type TaskName } from './tasks.ts';

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
      const bytes = await store.read(partPlace(record, 0).key, { range: { offset: 0, length: PART_BYTES } });
      const [first = ''] = bytes === null ? [] : Buffer.from(bytes).toString('utf8').split('\n', 1);
      const part = parsePart(first);
      return Object.keys((part && partParams(part)) ?? {});
    }
  }
}

/** Throws `usage` for a name that the job's tasks have no parameter of. */
export async function requireParamNames(store: ObjectStore, view: JobView, wanted: TaskParams): Promise<void> {
  const known = await paramNames(store, view);
  const unknown = Object.keys(wanted).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const has = known.length === 0 ? 'its split gives them none' : `they have ${known.join(', ')}`;
  throw new BatchctlError('usage', `the tasks of job ${view.record.job} have no parameter ${unknown}: ${has}`, {
    hint: `batchctl tasks ${view.record.job}`,
  });
}

/** Whether a task has all the wanted values, as they are written. */
export const hasParams = (params: TaskParams | null, wanted: TaskParams): boolean =>
  Object.entries(wanted).every(([name, value]) => params !== null && ownValue(params, name) === value);

/** Most tasks that are named if several have the wanted values. */
const CANDIDATES = 5;

/**
 * A task by its number, `train/3`, or by its parameters, `train[lr=0.1,seed=3]`: as many of them as tell it from the
 * others. Throws `usage` for another form, an unknown name and if several tasks have the values, `notFound` for none.
 */
export async function findTask(store: ObjectStore, view: JobView, text: string): Promise<TaskName> {
  const [, name, values] = /^([a-z][a-z0-9-]*)\[(.*)\]$/s.exec(text) ?? [];
  if (name === undefined || values === undefined) return parseTaskName(view, text);
  const step = requireStep(view, name);
  const wanted = parseValues(values, await paramNames(store, view), view.record.job);
  const found: { readonly task: number; readonly params: TaskParams }[] = [];
  if (mayHaveParams(view, step)) {
    for await (const match of tasksWith(store, view, wanted)) {
      found.push(match);
      if (found.length > CANDIDATES) break;
    }
  }
  const [first, ...others] = found;
  if (first === undefined) {
    throw new BatchctlError(
      'notFound',
      `step ${name} of job ${view.record.job} has no task with ${paramsText(wanted)}`,
      {
        hint: `batchctl tasks ${view.record.job} --step ${name}`,
      },
    );
  }
  if (others.length === 0) return { step, name, task: first.task };
  const named = found.slice(0, CANDIDATES).map(({ task, params }) => `${name}/${task} (${paramsText(params)})`);
  const listed = `${named.join(', ')}${found.length > CANDIDATES ? ', ...' : ''}`;
  throw new BatchctlError('usage', `expected one task, found several with ${paramsText(wanted)}: ${listed}`, {
    hint: 'name more of its parameters, or the task as STEP/N',
  });
}

/** The same for several. */
export async function findTasks(
  store: ObjectStore,
  view: JobView,
  texts: readonly string[],
): Promise<readonly TaskName[]> {
  const found: TaskName[] = [];
  for (const text of texts) found.push(await findTask(store, view, text));
  return found;
}

/** `lr=0.1,seed=3`. A value may contain commas: it ends where the next known name begins. Throws `usage`. */
function parseValues(text: string, known: readonly string[], job: string): TaskParams {
  const wanted = new Map<string, string>();
  let last: string | null = null;
  for (const piece of text.split(',')) {
    const name = known.find((each) => piece.startsWith(`${each}=`));
    if (name !== undefined && !wanted.has(name)) {
      wanted.set(name, piece.slice(name.length + 1));
      last = name;
    } else if (last !== null) {
      wanted.set(last, `${wanted.get(last) ?? ''},${piece}`);
    } else {
      const has = known.length === 0 ? 'its split gives tasks no parameters' : `its tasks have ${known.join(', ')}`;
      throw new BatchctlError('usage', `expected a task as STEP/N or STEP[NAME=VALUE,...], found "[${text}]": ${has}`, {
        hint: `batchctl tasks ${job}`,
      });
    }
  }
  return Object.fromEntries(wanted);
}

/** The tasks of the first section with the wanted values, ascending. Reads the lists of parts up to the last of them. */
async function* tasksWith(
  store: ObjectStore,
  { record }: JobView,
  wanted: TaskParams,
): AsyncGenerator<{ readonly task: number; readonly params: TaskParams }> {
  // As in the text of a part, so that few lines need to be parsed.
  const texts = Object.values(wanted).map((value) => JSON.stringify(value));
  for (const { key, first } of partShards(record)) {
    const bytes = await store.read(key);
    const lines = bytes === null ? [] : Buffer.from(bytes).toString('utf8').split('\n');
    for (const [at, line] of lines.entries()) {
      const part = texts.every((text) => line.includes(text)) ? parsePart(line) : null;
      const params = part && partParams(part);
      if (params !== null && hasParams(params, wanted)) yield { task: first + at, params };
    }
  }
}
