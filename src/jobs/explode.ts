import { BatchctlError } from '../errors.ts';
import { mapAhead } from '../lib/parallel.ts';
import { type NextMove, range, type StepFacts } from '../model/decide.ts';
import { takesFiles } from '../model/job.ts';
import { shardCount, shardOf, stepPartShardKey, stepPartsPrefix } from '../model/keys.ts';
import { type FilePart, PARTS_PER_SHARD } from '../model/part.ts';
import { tasksWithout } from '../model/task-set.ts';
import type { JobView, OpenedGather } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { verifiedOutput } from './fetch/verified.ts';
import { refreshView } from './journal.ts';
import { stepTotals } from './listing.ts';
import { recordView } from './record-view.ts';
import { decideOpening, putOpened, sendTasks } from './send.ts';

export interface Explosion {
  readonly store: ObjectStore;
  readonly job: string;
  readonly step: string;
  readonly size: number;
  /** The tasks whose files are not taken. */
  readonly leftOut: string;
}

/** The number of outputs looked up ahead. */
const AHEAD = 16;

/**
 * The parts that an explosion makes: a pure function of the published manifests, by task and then file name, so that
 * every process derives the same. Holds a few manifests in memory. Throws `proof` for an output that is gone or
 * altered.
 */
export async function* fileParts({ leftOut, size, ...source }: Explosion): AsyncGenerator<FilePart> {
  let n = 0;
  for await (const { task, files } of mapAhead(tasksWithout(leftOut, size), AHEAD, (t) => verifiedOutput(source, t))) {
    for (const { key, size: bytes, checksum, name } of files) {
      yield { n, kind: 'file', key, size: bytes, checksum, from: `${source.step}/${task}`, name };
      n += 1;
    }
  }
}

/** How many parts an explosion makes. Throws as `fileParts` does. */
export async function countFiles({ leftOut, size, ...source }: Explosion): Promise<number> {
  let count = 0;
  for await (const { files } of mapAhead(tasksWithout(leftOut, size), AHEAD, (t) => verifiedOutput(source, t))) {
    count += files.length;
  }
  return count;
}

/** A step after an `explode`, once it is open. */
export interface OpenedStep extends Omit<Explosion, 'leftOut'> {
  /** The step that takes the files. */
  readonly taker: string;
  readonly opened: OpenedGather;
}

/** Whether every shard exists: one listing, with one key for each 10,000 parts. */
export async function hasAllShards({ store, job, taker, opened }: OpenedStep): Promise<boolean> {
  const count = shardCount(opened.count);
  let found = 0;
  // In order, and ignoring other objects there.
  for await (const key of store.keys(stepPartsPrefix(job, taker))) {
    if (found < count && key === stepPartShardKey(job, taker, found)) found += 1;
  }
  return found === count;
}

/**
 * Writes the missing shards, create-if-absent. Any process may do so at any time, and all write the same bytes, so
 * another one can complete it. Holds one shard in memory. Throws `corrupt` if the outputs hold another number of files
 * than the step was opened with, and `proof` for an output that is gone or altered.
 */
export async function writeShards(step: OpenedStep): Promise<void> {
  const { store, job, taker, opened } = step;
  let lines: string[] = [];
  let count = 0;
  const flush = async (): Promise<void> => {
    const key = stepPartShardKey(job, taker, shardOf(count - 1));
    await store.put(key, `${lines.join('\n')}\n`, { ifAbsent: true });
    lines = [];
  };
  for await (const part of fileParts({ ...step, leftOut: opened.leftOut })) {
    count += 1;
    if (count > opened.count) break;
    lines.push(JSON.stringify(part));
    // The last shard is written only once the count matches that of the opening.
    if (count % PARTS_PER_SHARD === 0 && count < opened.count) await flush();
  }
  if (count !== opened.count) {
    throw new BatchctlError(
      'corrupt',
      `step ${taker} was opened with ${opened.count} files of ${step.step}, but its outputs now contain ${count > opened.count ? 'more' : count}`,
      { hint: `batchctl verify ${job} lists the changed outputs` },
    );
  }
  if (lines.length > 0) await flush();
}

/**
 * Opens the step after an `explode`: counts the files, writes opened.json once, then the shards, and sends only then.
 * If the process dies in between, the next look writes the shards and a resend sends the messages. Returns the view
 * afterwards, or `tooMany` without writing anything if there are more files than the job may have tasks. Throws `proof`
 * for an output that is gone or altered.
 */
export async function openExploded(
  platform: Platform,
  view: JobView,
  move: NextMove & { move: 'open' },
): Promise<JobView | 'tooMany'> {
  const { store } = platform;
  const { job, spec } = view.record;
  const [step, taker] = [nameOf(view, move.step - 1), nameOf(view, move.step)];
  const now = await refreshView(store, view);
  if (now.next !== view.next) return now;
  const size = stepTotals(now)[move.step - 1] ?? 0;
  const count = await countFiles({ store, job, step, size, leftOut: move.leftOut });
  // A skip, an undo or an adjusted tolerance since the listing changes whose files are taken.
  const counted = await refreshView(store, now);
  if (counted.next !== now.next) return counted;
  if (count > spec.maxTasks) return 'tooMany';
  const { view: decided, opened } = await decideOpening(platform, counted, { ...move, count });
  if (opened === null) return decided;
  // Another process's opening may leave out other tasks.
  const mine = await putOpened(store, job, taker, opened);
  const after = await refreshView(store, decided);
  if (!mine) return after;
  await recordView(platform, after);
  await writeShards({ store, job, step, size, taker, opened });
  await sendTasks(platform, after, move.step, range(count), { first: true });
  return after;
}

/**
 * Writes missing shards of opened steps, in case the process that opened the step died. Each look does this first, so
 * that what it re-sends or closes has its parts.
 */
export async function completeShards(platform: Platform, view: JobView, facts: readonly StepFacts[]): Promise<void> {
  if (view.closed !== null || view.cancelled) return;
  for (const [index, fact] of facts.entries()) {
    if (!takesFiles(view.record.spec.steps, index) || fact.opened === null) continue;
    if (fact.published.count + fact.failed.count >= fact.size || facts[index - 1]?.lost?.count) continue;
    const step = openedStep(platform.store, view, { index, size: facts[index - 1]?.size ?? 0, opened: fact.opened });
    if (await hasAllShards(step)) continue;
    await recordView(platform, await refreshView(platform.store, view));
    await writeShards(step);
  }
}

/** An opened step after an `explode`, with `size` tasks in the step before. */
export function openedStep(
  store: ObjectStore,
  view: JobView,
  { index, size, opened }: { readonly index: number; readonly size: number; readonly opened: OpenedGather },
): OpenedStep {
  return { store, job: view.record.job, step: nameOf(view, index - 1), taker: nameOf(view, index), size, opened };
}

function nameOf(view: JobView, index: number): string {
  const step = view.record.spec.steps[index];
  if (step === undefined) throw new RangeError(`job ${view.record.job} has no step ${index}`);
  return step.name;
}
