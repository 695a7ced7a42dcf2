import { BatchctlError, isKind } from '../../errors.ts';
import { type JobRecord, sectionStart, takesFiles } from '../../model/job.ts';
import { shardOf, stepPartShardKey } from '../../model/keys.ts';
import {
  type FilePart,
  inputText,
  PARTS_PER_SHARD,
  type Part,
  type PartPlace,
  parsePart,
  partParams,
  placeOf,
  type TaskParams,
} from '../../model/part.ts';
import { numberedParams, partPlace } from '../../model/part-shards.ts';
import type { JobView } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';

/**
 * Returns a function that finds the path of the input that a task's chain began with: below the directory that all
 * inputs have in common, or as an `explode` named its file. Throws `usage` if the parts come from no input (a range, a
 * grid), `corrupt` for a part that isn't listed.
 */
export function inputPathFinder(store: ObjectStore, view: JobView, step: number): (task: number) => Promise<string> {
  const { steps } = view.record.spec;
  const start = sectionStart(steps, step);
  return takesFiles(steps, start) ? explodedNameFinder(store, view, start) : splitPathFinder(store, view);
}

/** The original input of a task's chain. */
export interface Origin {
  /** The name of the input, as it was given, or of the file that an `explode` made. */
  readonly input: string | null;
  /** The part's position in that input. */
  readonly place: PartPlace | null;
  /** The parameters that the split gave it, or the item of a list. */
  readonly params: TaskParams | null;
}

export const NO_ORIGIN: Origin = { input: null, place: null, params: null };

/**
 * Returns a function that finds what a task's chain began with. Nothing for a task of or behind a gather, and where the
 * list of parts is damaged.
 */
export function originFinder(store: ObjectStore, view: JobView): (step: number, task: number) => Promise<Origin> {
  const ofSteps = view.record.spec.steps.map((_, step) => stepOriginFinder(store, view, step));
  return async (step, task) => {
    try {
      return (await ofSteps[step]?.(task)) ?? NO_ORIGIN;
    } catch (error) {
      if (isKind(error, 'corrupt')) return NO_ORIGIN;
      throw error;
    }
  };
}

function stepOriginFinder(store: ObjectStore, view: JobView, step: number): (task: number) => Promise<Origin> {
  const { spec, inputs } = view.record;
  const start = sectionStart(spec.steps, step);
  if (spec.steps[start]?.gather === true) return async () => NO_ORIGIN;
  if (takesFiles(spec.steps, start)) {
    const nameOf = explodedNameFinder(store, view, start);
    return async (task) => ({ ...NO_ORIGIN, input: await nameOf(task) });
  }
  const originOf = (line: string): Origin => {
    const part: Part = JSON.parse(line);
    const params = partParams(part);
    return { input: inputText(part, inputs), place: placeOf(part, spec.input?.split), params };
  };
  const shardAt = recentShards(async (key) => (await readLines(store, key)).map(originOf));
  return async (task) => {
    const { key, line } = partPlace(view.record, task);
    return (await shardAt(key))[line] ?? NO_ORIGIN;
  };
}

/** Shards that are kept: tasks are requested roughly in order, some of them ahead. */
const SHARDS_KEPT = 2;

/** Returns a function that reads a shard, unless it was among the last ones. */
function recentShards<T>(read: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const shards = new Map<string, Promise<T>>();
  return (key) => {
    const known = shards.get(key) ?? read(key);
    if (!shards.has(key) && shards.size >= SHARDS_KEPT) shards.delete(shards.keys().next().value ?? '');
    shards.set(key, known);
    return known;
  };
}

/** The files that tasks behind an `explode` took; `start` is the step that takes them. */
function explodedNameFinder(store: ObjectStore, view: JobView, start: number): (task: number) => Promise<string> {
  const { job, spec } = view.record;
  const shardAt = recentShards((key) => readNames(store, key));
  return async (task) => {
    const key = stepPartShardKey(job, spec.steps[start]?.name ?? '', shardOf(task));
    const name = (await shardAt(key))[task % PARTS_PER_SHARD];
    if (name !== undefined) return name;
    throw new BatchctlError('corrupt', `${key} does not contain part ${task}`, { hint: 'use --name {task}' });
  };
}

async function readNames(store: ObjectStore, key: string): Promise<readonly string[]> {
  return (await readLines(store, key)).map((line) => (JSON.parse(line) as FilePart).name);
}

/** The lines of a shard of parts. */
async function readLines(store: ObjectStore, key: string): Promise<readonly string[]> {
  const bytes = await store.read(key);
  if (bytes !== null) return Buffer.from(bytes).toString('utf8').trimEnd().split('\n');
  throw new BatchctlError('corrupt', `${key} is missing, which lists the input of each task`, {
    hint: 'use --name {task}',
  });
}

/** The inputs of the first section's tasks. */
function splitPathFinder(store: ObjectStore, view: JobView): (task: number) => Promise<string> {
  const { job } = view.record;
  const paths = pathsOf(view.record);
  const indexOf = inputIndexes(store, view);
  return async (task) => {
    const path = paths[await indexOf(task)];
    if (path !== undefined) return path;
    throw new BatchctlError('usage', `--name: the input's name can't be used, as ${job} was not split from inputs`, {
      hint: 'use {task}',
    });
  };
}

/**
 * Returns a function that finds `{index}` of a task, as its command had it: of a range, the number of its chain; otherwise
 * the task's number.
 */
export function indexFinder(store: ObjectStore, view: JobView, step: number): (task: number) => Promise<string> {
  const { spec } = view.record;
  if (spec.input?.split.by !== 'range' || sectionStart(spec.steps, step) > 0) return async (task) => String(task);
  const shards = new Map<string, Promise<readonly string[]>>();
  return async (task) => {
    const numbered = numberedParams(view.record, task)?.index;
    if (numbered !== undefined) return numbered;
    const { key, line } = partPlace(view.record, task);
    const known = shards.get(key) ?? readLines(store, key);
    shards.set(key, known);
    const part = parsePart((await known)[line] ?? '');
    return part?.kind === 'params' ? (part.params.index ?? String(task)) : String(task);
  };
}

/** The numbers of the inputs of tasks; -1 for none. Reads each shard of parts once and keeps one number per task. */
function inputIndexes(store: ObjectStore, view: JobView): (task: number) => Promise<number> {
  const shards = new Map<string, Promise<Int32Array>>();
  return async (task) => {
    const { key, line } = partPlace(view.record, task);
    const known = shards.get(key) ?? readInputs(store, key);
    shards.set(key, known);
    return (await known)[line] ?? -1;
  };
}

async function readInputs(store: ObjectStore, key: string): Promise<Int32Array> {
  return Int32Array.from(await readLines(store, key), (line) => {
    const part = JSON.parse(line) as Part;
    return part.kind === 'params' || part.kind === 'pack' ? -1 : part.input;
  });
}

/**
 * Each input's path below the directory that all inputs, and all patterns and directories that were given, have in
 * common: so a pattern that matches one file today names it as it will tomorrow. Contains no `..`, and is `stdin` for `-`.
 * Inputs of several places may get the same path.
 */
export function pathsOf({
  inputs,
  spec,
}: Pick<JobRecord, 'spec'> & { readonly inputs: readonly Named[] }): readonly string[] {
  const names = new Set(inputs.map(({ name }) => name));
  const paths = inputs.map(({ name }) => segmentsOf(name));
  const given = (spec.input?.from ?? []).filter((from) => !names.has(from) && !from.startsWith('job:'));
  let common: readonly string[] | null = null;
  for (const place of [...given.map(fixedPart), ...paths.map((path) => path.slice(0, -1))]) {
    const shared: readonly string[] = common ?? place;
    const end = shared.findIndex((segment, at) => segment !== place[at]);
    common = end < 0 ? shared : shared.slice(0, end);
  }
  const depth = common?.length ?? 0;
  return paths.map((path) =>
    path
      .slice(depth)
      .filter((segment) => segment !== '..')
      .join('/'),
  );
}

interface Named {
  readonly name: string;
}

/** The path of a name: `s3://BUCKET/KEY` is `BUCKET/KEY`. A `..` can only be at its beginning. */
function segmentsOf(name: string): readonly string[] {
  if (name === '-') return ['stdin'];
  const path: string[] = [];
  for (const segment of name.replace(/^(s3:\/\/|store:|job:)/, '').split('/')) {
    if (segment === '' || segment === '.') continue;
    if (segment === '..' && path.length > 0 && path.at(-1) !== '..') path.pop();
    else path.push(segment);
  }
  return path;
}

/** The leading path segments without wildcards. */
function fixedPart(from: string): readonly string[] {
  const path = segmentsOf(from);
  const wild = path.findIndex((segment) => /[*?[\]{}()!+@\\]/.test(segment));
  return wild < 0 ? path : path.slice(0, wild);
}
