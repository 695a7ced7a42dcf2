import { VERSION } from '../../lib/version.ts';
import { type Standing, type StepFacts, standingOf } from '../../model/decide.ts';
import { canaryTasks, heldRounds } from '../../model/held-rounds.ts';
import { isClosed } from '../../model/job.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import {
  type CanariesSeen,
  type FailureSeen,
  RUNNING_SEEN,
  type Snapshot,
  type StepSeen,
} from '../../model/why/snapshot.ts';
import type { Ledger, LedgerTask, StepCounts } from '../../ports/ledger.ts';
import type { Platform } from '../../ports/platform.ts';
import { causesOf } from '../failures.ts';
import { tasksOfFallbacks } from '../interruptions.ts';
import { readEntries } from '../journal.ts';
import { listFacts } from '../listing.ts';
import { untoldOf } from '../notify/untold.ts';
import { deadLettersOf } from './dead-letters.ts';
import { durationsOf, earlierRun } from './durations.ts';
import { lookAtGroups } from './groups.ts';
import { historiesOf } from './histories.ts';
import { LookAt } from './look-at.ts';

/** So many undecided tasks a step are named. */
const NAMED = 50;
/** So many failed canaries are named. */
const CANARIES_NAMED = 5;

/**
 * Everything that can be seen of a job at this moment, from journal, store, ledger, queues, workers and disks. Two
 * listings of its outputs at most; all else is a few tasks, whatever the job's size. Changes nothing. A service that
 * can't be reached is noted as a trouble.
 */
export async function gather(platform: Platform, view: JobView): Promise<Snapshot> {
  const at = new LookAt();
  const { job } = view.record;
  const open = !isClosed(stateOf(view));
  const ledger = await at.try('ledger', null, () => platform.ledger());
  const [facts, told] = await Promise.all([
    at.try('store', null, () => listFacts(platform.store, view)),
    ledger === null ? null : at.try('ledger', null, () => readLedger(ledger, job, open)),
  ]);
  const standing = facts === null ? null : standingOf(view, facts);
  const steps = facts === null || standing === null ? null : await stepsSeen(at, platform, view, { facts, standing });
  const groups = await lookAtGroups(at, platform, view, { standing, steps, ledger, counts: told?.counts ?? null });
  const undecided = open && standing !== null && !standing.settled;
  const [histories, deadLetters, durations, earlier] = await Promise.all([
    undecided && steps !== null && ledger !== null
      ? at.try('ledger', null, () => historiesOf(platform, ledger, view, steps, told?.running ?? []))
      : null,
    undecided ? at.try('queue', null, () => deadLettersOf(platform, view, standing, groups)) : null,
    undecided && facts !== null ? at.try('store', null, () => durationsOf(platform, view, facts)) : null,
    undecided && ledger !== null ? at.try('ledger', null, () => earlierRun(ledger, view)) : null,
  ]);
  const failed = steps?.some((step) => step.failed > 0) ?? false;
  return {
    now: platform.clock.now(),
    leaseSeconds: platform.leaseSeconds,
    version: VERSION,
    view,
    cancelledBy: view.cancelled ? await at.try('store', null, () => whoCancelled(platform, job)) : null,
    steps,
    counts: told?.counts ?? null,
    running: told?.running ?? [],
    histories: histories ?? [],
    groups,
    deadLetters: deadLetters ?? [],
    failures: failed ? ((await at.try('store', null, () => failuresSeen(platform, view))) ?? []) : [],
    canaries: facts === null ? null : canariesSeen(view, facts),
    durations: durations ?? new Map(),
    earlier,
    disks: (await at.try('disk', null, async () => (await platform.insight?.disks()) ?? [])) ?? [],
    untold: (await at.try('store', null, () => untoldOf(platform, view))) ?? [],
    credentials:
      (await at.try('credentials', null, async () => (await platform.insight?.credentials?.()) ?? null)) ?? null,
    troubles: at.troubles,
  };
}

async function readLedger(
  ledger: Ledger,
  job: string,
  open: boolean,
): Promise<{ readonly counts: readonly StepCounts[]; readonly running: readonly LedgerTask[] }> {
  const [counts, running] = await Promise.all([
    ledger.counts(job),
    open ? ledger.tasks(job, { states: ['running'], limit: RUNNING_SEEN }) : [],
  ]);
  return { counts, running };
}

async function stepsSeen(
  at: LookAt,
  { store }: Platform,
  view: JobView,
  { facts, standing }: { readonly facts: readonly StepFacts[]; readonly standing: Standing },
): Promise<readonly StepSeen[]> {
  const ofFallbacks = await at.try('store', null, () => tasksOfFallbacks(store, view, standing));
  return standing.steps.map((step, index): StepSeen => {
    const spec = view.record.spec.steps[index];
    const tasks = ofFallbacks?.get(index)?.count ?? 0;
    const fallback = spec?.fallback ?? null;
    return {
      name: step.name,
      group: spec?.group ?? 'default',
      opened: (facts[index]?.opened ?? null) !== null,
      total: step.total,
      published: step.published,
      failed: step.failed,
      skipped: step.skipped,
      undecided: step.undecided.count,
      ...(fallback !== null && tasks > 0 && { handedOver: { group: fallback, tasks } }),
      some: firstOf(step.undecided, NAMED),
    };
  });
}

function firstOf(tasks: Iterable<number>, most: number): readonly number[] {
  const first: number[] = [];
  for (const task of tasks) {
    if (first.length === most) break;
    first.push(task);
  }
  return first;
}

async function whoCancelled(platform: Platform, job: string): Promise<Snapshot['cancelledBy']> {
  const entry = (await readEntries(platform.store, job)).find(({ what }) => what === 'cancel');
  return entry === undefined ? null : { who: entry.who, when: entry.when };
}

async function failuresSeen(platform: Platform, view: JobView): Promise<readonly FailureSeen[]> {
  const causes = await causesOf(platform, view);
  return causes
    .filter(({ tasks }) => tasks.count > 0)
    .map(({ id, step, reason, exitCode, error, tasks, example }) => ({
      ...{ id, step, reason, exitCode, error },
      count: tasks.count,
      example: `${step}/${example.task}`,
    }));
}

/** How a retry's canaries stand while they hold the rest of it back. */
function canariesSeen(view: JobView, facts: readonly StepFacts[]): CanariesSeen | null {
  const held = heldRounds(view).at(-1);
  if (held === undefined) return null;
  let [all, published] = [0, 0];
  const failed: string[] = [];
  for (const [step, task] of canaryTasks(held.canaries)) {
    all += 1;
    if (facts[step]?.published.has(task)) published += 1;
    else if (facts[step]?.failed.has(task) && failed.length < CANARIES_NAMED)
      failed.push(`${view.record.spec.steps[step]?.name}/${task}`);
  }
  return { round: held.round, all, published, failed };
}
