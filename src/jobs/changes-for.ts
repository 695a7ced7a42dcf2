import { type Change, changesOf, same } from '../model/changes.ts';
import { stepIndex } from '../model/job.ts';
import type { Overrides, TaskSets } from '../model/journal.ts';
import { codeKey } from '../model/keys.ts';
import { changedCode, foldOverrides } from '../model/overrides.ts';
import { tasksIn } from '../model/task-set.ts';
import { type JobView, overridesOf, roundOf } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import { filesInArchive } from './code-archive.ts';
import type { Mend } from './mend.ts';

/** What changes for the tasks of a round since they last ran, including files by name. */
export async function changesFor(
  store: ObjectStore,
  view: JobView,
  tasks: TaskSets,
  overrides: Overrides,
  mend: Mend | null,
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
  return [...changes, ...(await fileChanges(store, from, to, mend))];
}

const newestFirst = (rounds: ReadonlyMap<number, Overrides>): readonly Overrides[] =>
  [...rounds].sort(([a], [b]) => b - a).map(([, each]) => each);

/**
 * The files added, removed or changed between the archive that tasks last ran with and the one they will run with, by
 * hash.
 */
async function fileChanges(
  store: ObjectStore,
  from: string | null,
  to: string | null,
  mend: Mend | null,
): Promise<readonly Change[]> {
  if (from === to) return [];
  const files = async (sha256: string | null): Promise<ReadonlyMap<string, string>> => {
    if (sha256 === null) return new Map();
    const gzip = mend?.code?.sha256 === sha256 ? mend.code.gzip : await store.read(codeKey(sha256));
    return gzip === null ? new Map() : filesInArchive(gzip);
  };
  const [then, now] = [await files(from), await files(to)];
  return [...new Set([...then.keys(), ...now.keys()])]
    .sort()
    .map((name) => ({ field: `files/${name}`, from: then.get(name) ?? null, to: now.get(name) ?? null }))
    .filter((change) => !same(change.from, change.to));
}
