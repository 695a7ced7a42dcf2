import type { NextMove, OpenedGather, StepFacts } from '../../model/decide.ts';
import { takesFiles } from '../../model/job.ts';
import { openedKey } from '../../model/keys.ts';
import type { JobView } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';
import { refreshView } from '../journal.ts';
import { readOpened, stepTotals } from '../listing.ts';
import { decideOpening } from '../opening.ts';
import { recordView } from '../remember.ts';
import { sendTasks } from '../send.ts';
import { countFiles } from './file-parts.ts';
import { hasAllShards, type OpenedStep, writeShards } from './step-shards.ts';

/**
 * Opens the step behind an `explode`: counts the files, writes opened.json once, then the shards, and only then sends.
 * What whoever opened it dies before is mended: the shards by the next look, the messages by a resend. Answers the view
 * afterwards; `tooMany` when there are more files than the job may have tasks: then nothing was written. Throws `proof`
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
  // A skip, an undo or an adjusted tolerance since the listing decides anew whose files are taken.
  const counted = await refreshView(store, now);
  if (counted.next !== now.next) return counted;
  if (count > spec.maxTasks) return 'tooMany';
  const { view: decided, opened } = await decideOpening(platform, counted, { ...move, count });
  if (opened === null) return decided;
  await store.put(openedKey(job, taker), JSON.stringify(opened), { ifAbsent: true });
  const after = await refreshView(store, decided);
  // Told that it is there, it may be one's own first try (law 2). Another's may go without other tasks.
  const standing = await readOpened(store, job, taker);
  if (standing?.id !== opened.id) return after;
  await recordView(platform, after);
  await writeShards({ store, job, step, size, taker, opened });
  await sendTasks(platform, after, move.step, below(count));
  return after;
}

/**
 * Writes the shards that whoever opened a step of an open job died before, while tasks of it are undecided. Each look does this first:
 * what it then sends again, and what it closes, has its parts.
 */
export async function completeShards(platform: Platform, view: JobView, facts: readonly StepFacts[]): Promise<void> {
  if (view.closed !== null || view.cancelled) return;
  for (const [index, fact] of facts.entries()) {
    if (!takesFiles(view.record.spec.steps, index) || fact.opened === null) continue;
    if (fact.published.count + fact.failed.count >= fact.size) continue;
    const step = openedStep(platform.store, view, { index, size: facts[index - 1]?.size ?? 0, opened: fact.opened });
    if (await hasAllShards(step)) continue;
    await recordView(platform, await refreshView(platform.store, view));
    await writeShards(step);
  }
}

/** An opened step behind an `explode`, of `size` tasks in the step before it. */
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

function* below(count: number): Generator<number> {
  for (let n = 0; n < count; n += 1) yield n;
}
