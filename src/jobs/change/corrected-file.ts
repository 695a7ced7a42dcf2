import { BatchctlError } from '../../errors.ts';
import { ownValue } from '../../lib/json.ts';
import { expectsRecords } from '../../model/expect.ts';
import { type JobSpec, stepIndex } from '../../model/job.ts';
import type { Overrides, TaskSets } from '../../model/journal.ts';
import { codeKey } from '../../model/keys.ts';
import { type Change, changedCode, changesOf, diffJobFile, foldOverrides, isSameJson } from '../../model/overrides.ts';
import { substitute } from '../../model/substitute.ts';
import { tasksIn } from '../../model/task-set.ts';
import { type JobView, overridesOf, roundOf } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { type CodeArchive, filesInArchive, packCode } from '../code-archive.ts';

/** A corrected job file with its files, read and packed; nothing is stored yet. */
export interface CorrectedFile {
  readonly spec: JobSpec;
  readonly code: CodeArchive | null;
}

/** Packs a corrected job file's files, relative to `directory`. Throws `jobFile` for a pattern without a match. */
export async function readCorrectedFile(spec: JobSpec, directory: string): Promise<CorrectedFile> {
  return { spec, code: await packCode(directory, spec.files) };
}

/**
 * What a round with the corrected job file changes. Throws `refused`, listing each difference, if it isn't the same
 * job: input, split, step names, and anything that outputs or verdicts depend on can't change any more.
 */
export function correctedOverrides(view: JobView, { spec, code }: CorrectedFile): Overrides {
  const { record } = view;
  const { overrides, refused } = diffJobFile(record, view.overrides, withInputOfNow(view, fillInput(view, spec)));
  if (refused.length > 0) {
    const adjusts = refused.some(({ field }) => field === 'tolerate' || field === 'maxRunning');
    throw new BatchctlError(
      'refused',
      `the corrected job file can't change ${refused.map(differenceText).join('; ')} of job ${record.job}`,
      {
        hint: adjusts
          ? `change tolerate and maxRunning with batchctl adjust ${record.job}; restore the rest, or submit a new job`
          : 'restore it, or submit the file as a new job',
      },
    );
  }
  if (overrides.expect !== undefined && record.records === null && expectsRecords(overrides.expect)) {
    throw new BatchctlError(
      'refused',
      `the corrected job file expects input.records, but the records of job ${record.job} were not counted when it was submitted`,
      { hint: 'compare with input.bytes, input.files or a number, or submit the file as a new job' },
    );
  }
  return { ...overrides, code: code?.sha256 ?? null };
}

/** Stores the program under its hash before the entry refers to it, so that no worker finds it missing. */
export async function storeCorrectedCode(store: ObjectStore, { code }: CorrectedFile): Promise<void> {
  if (code !== null) await store.put(codeKey(code.sha256), code.gzip);
}

/** A file with the input that the job was accepted with is as good as one with all that it was extended by. */
function withInputOfNow({ accepted, record }: JobView, spec: JobSpec): JobSpec {
  const { input, maxTasks } = accepted.spec;
  const isAccepted = isSameJson(spec.input, input) && spec.maxTasks === maxTasks;
  return isAccepted ? { ...spec, input: record.spec.input, maxTasks: record.spec.maxTasks } : spec;
}

function fillInput(view: JobView, spec: JobSpec): JobSpec {
  const { record } = view;
  if (spec.input === null || record.given?.input === true) return spec;
  const given = Object.fromEntries(
    (record.given?.params ?? []).map((name) => [name, ownValue(record.spec.params, name) ?? '']),
  );
  const params = { ...spec.params, ...given, ...(record.period === null ? {} : { period: record.period }) };
  const fill = (text: string): string => substitute(text, params, { field: 'input.from', unknown: 'error' });
  return { ...spec, input: { ...spec.input, from: spec.input.from.map(fill) } };
}

const SHOWN = 60;

function differenceText({ field, from, to }: Change): string {
  const text = (value: unknown): string => {
    const json = typeof value === 'string' ? value : JSON.stringify(value ?? 'none');
    return json.length > SHOWN ? `${json.slice(0, SHOWN - 3)}...` : json;
  };
  return `${field} (was ${text(from)}, is ${text(to)})`;
}

/** What changes for the tasks of a round since they last ran, including files by name. */
export async function changesFor(
  store: ObjectStore,
  view: JobView,
  tasks: TaskSets,
  overrides: Overrides,
  correction: CorrectedFile | null,
): Promise<readonly Change[]> {
  if (Object.keys(overrides).length === 0) return [];
  const before = new Map<number, Overrides>();
  let first = view.record.spec.steps.length;
  for (const [name, set] of Object.entries(tasks)) {
    const step = stepIndex(view.record.spec, name);
    first = Math.min(first, step);
    for (const task of tasksIn(set)) {
      const round = roundOf(view, step, task);
      if (!before.has(round)) before.set(round, overridesOf(view, step, task));
    }
  }
  // Without tasks: steps that open later would have run with all changes so far.
  const rounds = before.size === 0 ? [view.overrides] : newestFirst(before);
  const after = foldOverrides(view.overrides, overrides);
  const changes = changesOf(view.record, rounds, after, before.size === 0 ? 0 : first);
  const [from, to] = [changedCode(view.record, rounds[0] ?? {}), changedCode(view.record, after)];
  return [...changes, ...(await fileChanges(store, from, to, correction))];
}

const newestFirst = (rounds: ReadonlyMap<number, Overrides>): readonly Overrides[] =>
  [...rounds].sort(([a], [b]) => b - a).map(([, each]) => each);

/** Files added, removed or changed between the archive that tasks last ran with and the next one, by hash. */
async function fileChanges(
  store: ObjectStore,
  from: string | null,
  to: string | null,
  correction: CorrectedFile | null,
): Promise<readonly Change[]> {
  if (from === to) return [];
  const files = async (sha256: string | null): Promise<ReadonlyMap<string, string>> => {
    if (sha256 === null) return new Map();
    const given = correction?.code?.sha256 === sha256 ? correction.code : null;
    if (given?.hashes !== undefined) return new Map(Object.entries(given.hashes));
    const gzip = given?.gzip ?? (await store.read(codeKey(sha256)));
    return gzip === null ? new Map() : filesInArchive(gzip);
  };
  const [then, now] = [await files(from), await files(to)];
  return [...new Set([...then.keys(), ...now.keys()])]
    .sort()
    .map((name) => ({ field: `files/${name}`, from: then.get(name) ?? null, to: now.get(name) ?? null }))
    .filter((change) => !isSameJson(change.from, change.to));
}
