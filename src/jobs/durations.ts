import type { StepFacts } from '../model/decide.ts';
import type { StepCounts } from '../model/ledger/records.ts';
import { TaskBits } from '../model/task-set.ts';
import type { JobView } from '../model/view.ts';
import type { DurationSnapshot, Snapshot } from '../model/why/snapshot.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { totalsOf } from './totals.ts';

/** Outputs per step from which durations are read, spread over the step. */
const SAMPLE = 40;
/** Number of earlier jobs of the same name that are tried. */
const EARLIER = 10;

/** Durations of each step's done tasks, from a sample of their outputs. */
export async function durationsOf(
  platform: Platform,
  view: JobView,
  facts: readonly StepFacts[],
): Promise<ReadonlyMap<string, DurationSnapshot>> {
  const found = new Map<string, DurationSnapshot>();
  for (const [index, { name }] of view.record.spec.steps.entries()) {
    const published = facts[index]?.published;
    if (published === undefined || published.count === 0) continue;
    const seconds: number[] = [];
    await totalsOf(platform.store, view.record.job, name, sampleOf(published), (_, meta) => {
      seconds.push(meta.seconds);
    });
    seconds.sort((a, b) => a - b);
    const [median, longest] = [seconds[seconds.length >> 1], seconds.at(-1)];
    if (median === undefined || longest === undefined) continue;
    found.set(name, { median, longest, sampled: seconds.length });
  }
  return found;
}

/** Outputs per step used for the spread of durations, read each minute by every watcher. */
const SPREAD_SAMPLE = 100;

/**
 * Standard deviations of the durations of each step's done tasks, from a few of the first outputs, which usually exist.
 * Leaves out steps with fewer than two of them.
 */
export async function deviationsOf(
  store: ObjectStore,
  job: string,
  counts: readonly StepCounts[],
  most = SPREAD_SAMPLE,
): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  for (const { step, done } of counts) {
    const sample = new TaskBits(done);
    for (let n = 0; n < most; n += 1) sample.add(Math.floor((n * done) / most));
    const seconds: number[] = [];
    await totalsOf(store, job, step, sample, (_, meta) => {
      seconds.push(meta.seconds);
    });
    if (seconds.length < 2) continue;
    const mean = seconds.reduce((sum, each) => sum + each, 0) / seconds.length;
    const squares = seconds.reduce((sum, each) => sum + (each - mean) ** 2, 0);
    found.set(step, Math.sqrt(squares / (seconds.length - 1)));
  }
  return found;
}

function sampleOf(published: TaskBits): TaskBits {
  const every = Math.max(1, Math.floor(published.count / SAMPLE));
  const sample = new TaskBits(published.size);
  let at = 0;
  for (const task of published) {
    if (at % every === 0) sample.add(task);
    if (sample.count === SAMPLE) break;
    at += 1;
  }
  return sample;
}

/** Mean durations by step of the latest successful earlier run of the same job; null if there is none. */
export async function earlierRun(ledger: Ledger, view: JobView): Promise<Snapshot['earlier']> {
  const { job, spec, createdAt } = view.record;
  const jobs = await ledger.jobs({ name: spec.name, states: ['succeeded'], limit: EARLIER });
  const before = jobs.find((other) => other.job !== job && other.createdAt <= Date.parse(createdAt));
  if (before === undefined) return null;
  const means = new Map<string, number>();
  for (const { step, done, seconds } of await ledger.counts(before.job)) if (done > 0) means.set(step, seconds / done);
  return { job: before.job, means };
}
