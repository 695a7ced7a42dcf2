import { isKind } from '../../errors.ts';
import { eachParallel } from '../../lib/parallel.ts';
import { VERSION } from '../../lib/version.ts';
import type { WhyAnswer } from '../../model/answers/tasks.ts';
import { canaryTasks, heldRounds, type JobStanding, type StepFacts, standingOf } from '../../model/decide.ts';
import { needsRestoring } from '../../model/failure.ts';
import { stepIndex } from '../../model/job.ts';
import { isClosed } from '../../model/job-state.ts';
import { isBegunKey, roundTriesPrefix } from '../../model/keys.ts';
import type { LedgerTask, StepCounts } from '../../model/ledger/records.ts';
import { parseMessage } from '../../model/message.ts';
import { paramsText } from '../../model/part.ts';
import { type JobView, roundOf, stateOf } from '../../model/view.ts';
import { causesOf, MAX_FAILURES } from '../../model/why/causes.ts';
import { troubleCause } from '../../model/why/causes-service.ts';
import {
  type CanarySnapshot,
  type DeadLetterSnapshot,
  type FailureSnapshot,
  type GroupSnapshot,
  MAX_RUNNING_TASKS,
  type Snapshot,
  type StepSnapshot,
  type TaskHistory,
} from '../../model/why/snapshot.ts';
import type { Ledger } from '../../ports/ledger.ts';
import type { Platform } from '../../ports/platform.ts';
import { durationsOf, earlierRun } from '../durations.ts';
import { failureFix } from '../failure-fix.ts';
import { causesOf as failureCauses } from '../failures.ts';
import { NO_ORIGIN, originFinder } from '../fetch/input-names.ts';
import { findJob } from '../find.ts';
import { tasksOfFallbacks } from '../interruptions.ts';
import { readEntries } from '../journal.ts';
import { listFacts } from '../listing.ts';
import { unnotifiedReceivers } from '../send-notice.ts';
import { statusOf } from '../status.ts';
import { unmetTotals } from '../totals.ts';
import { lookAtGroups, ServiceQuery, troubleOf } from './groups.ts';

/**
 * Why a job is slow, stuck or failing. An unreachable store, queue or ledger is part of the answer, not an error.
 * `onFound` is called as soon as the job is known. Throws `notFound`, `usage` for the job, and `config`.
 */
export async function whyJob(
  open: () => Promise<Platform>,
  text: string | undefined,
  onFound: (view: JobView) => void | Promise<void> = () => undefined,
): Promise<WhyAnswer> {
  let service: 'store' | 'ledger' = 'store';
  let platform: Platform;
  let view: JobView;
  try {
    platform = await open();
    // Without a job id, the ledger provides the latest job.
    service = 'ledger';
    if (text === undefined || text === 'last') await platform.ledger();
    service = 'store';
    view = await findJob(platform, text);
  } catch (error) {
    if (!isKind(error, 'unavailable', 'full', 'newer', 'corrupt', 'credentials')) throw error;
    const causes = [troubleCause(troubleOf(error, service, null))];
    return { job: null, state: null, causes, running: null, waiting: null, rate: null, eta: null };
  }
  await onFound(view);
  const seen = await readSnapshot(platform, view);
  const causes = causesOf(seen);
  // These numbers need the ledger; if it is unreachable, that is one of the causes.
  const status = seen.counts === null ? null : await statusOf(platform, view);
  const sum = (of: 'running' | 'waiting'): number | null =>
    status === null ? null : status.steps.reduce((total, step) => total + step[of], 0);
  return {
    job: view.record.job,
    state: stateOf(view),
    causes,
    running: sum('running'),
    waiting: sum('waiting'),
    rate: status?.rate ?? null,
    eta: status?.eta ?? null,
  };
}

/** Number of undecided tasks named per step. */
const NAMED = 50;

const CANARIES_NAMED = 5;

/**
 * The state of a job at this moment, from journal, store, ledger, queues, workers and disks. Makes at most two listings
 * of its outputs; apart from that it reads only a few tasks, whatever the job's size, unless control totals failed the
 * job and the ledger does not have exact sums. Changes nothing. Records services
 * that can't be reached.
 */
async function readSnapshot(platform: Platform, view: JobView): Promise<Snapshot> {
  const at = new ServiceQuery();
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
    unmet: (await at.try('store', null, () => unmetTotals(platform, view))) ?? [],
    canaries: facts === null ? null : canariesSeen(view, facts),
    durations: durations ?? new Map(),
    earlier,
    disks: (await at.try('disk', null, async () => (await platform.insight?.disks()) ?? [])) ?? [],
    untold: (await at.try('store', null, () => unnotifiedReceivers(platform, view))) ?? [],
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
    open ? ledger.tasks(job, { states: ['running'], limit: MAX_RUNNING_TASKS }) : [],
  ]);
  return { counts, running };
}

async function stepsSeen(
  at: ServiceQuery,
  { store }: Platform,
  view: JobView,
  { facts, standing }: { readonly facts: readonly StepFacts[]; readonly standing: JobStanding },
): Promise<readonly StepSnapshot[]> {
  const ofFallbacks = await at.try('store', null, () => tasksOfFallbacks(store, view, standing));
  return standing.steps.map((step, index): StepSnapshot => {
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

async function failuresSeen(platform: Platform, view: JobView): Promise<readonly FailureSnapshot[]> {
  const causes = await failureCauses(platform, view);
  const originOf = originFinder(platform.store, view);
  return Promise.all(
    causes
      .filter(({ tasks }) => tasks.count > 0)
      .map(async ({ id, step, reason, exitCode, error, tasks, example }, at) => {
        const isRead = needsRestoring(reason) || at < MAX_FAILURES;
        const origin = isRead ? await originOf(stepIndex(view.record.spec, step), example.task) : NO_ORIGIN;
        const fix = failureFix(view, { cause: id, reason, input: origin.input });
        const params = origin.params && paramsText(origin.params);
        const name = `${step}/${example.task}`;
        return { id, step, reason, exitCode, error, count: tasks.count, example: name, params, fix };
      }),
  );
}

/** The state of a retry's canaries while they hold back its other tasks. */
function canariesSeen(view: JobView, facts: readonly StepFacts[]): CanarySnapshot | null {
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

/** Number of dead letters read per group, and reported for the job. */
const READ = 5_000;

const MAX_DEAD_LETTERS = 20;

/** Dead letters of undecided tasks, which no worker will run. Permanently failed tasks normally have dead letters. */
async function deadLettersOf(
  platform: Platform,
  view: JobView,
  standing: JobStanding,
  groups: readonly GroupSnapshot[],
): Promise<readonly DeadLetterSnapshot[]> {
  const found = new Map<string, DeadLetterSnapshot>();
  for (const { group, backlog, missing } of groups) {
    // A task whose message is a dead letter has no other message, so it is missing.
    if ((backlog?.dead ?? 0) === 0 || missing === 0) continue;
    for await (const { body, reason } of (await platform.queue(group)).dead({ limit: READ })) {
      const parsed = parseMessage(body);
      if (parsed.kind !== 'task' || parsed.message.job !== view.record.job) continue;
      const { step, task, round } = parsed.message;
      const index = stepIndex(view.record.spec, step);
      const undecided = standing.steps[index]?.undecided.has(task) ?? false;
      if (!undecided || roundOf(view, index, task) !== round) continue;
      found.set(`${step}/${task}`, { group, step, task, reason });
      if (found.size === MAX_DEAD_LETTERS) return [...found.values()];
    }
  }
  return [...found.values()];
}

/** Number of running tasks, and of undecided tasks per step, that are read one by one. */
const LOOKED_AT = 50;

/** Each makes two requests to a service. */
const PARALLEL = 16;

/**
 * A few undecided tasks with all their attempts: running ones, and the first ones of each step. The queue delivers
 * tasks again before new ones, so tasks in trouble are among them. The most often begun come first.
 */
export async function historiesOf(
  platform: Platform,
  ledger: Ledger,
  view: JobView,
  steps: readonly StepSnapshot[],
  running: readonly LedgerTask[],
): Promise<readonly TaskHistory[]> {
  const names = new Map<string, { readonly step: string; readonly task: number }>();
  const often = [...running].sort((a, b) => b.attempts - a.attempts).slice(0, LOOKED_AT);
  for (const { step, task } of often) names.set(`${step}/${task}`, { step, task });
  for (const { name: step, some } of steps) {
    for (const task of some.slice(0, LOOKED_AT)) names.set(`${step}/${task}`, { step, task });
  }
  const histories: TaskHistory[] = [];
  await eachParallel(names.values(), PARALLEL, async ({ step, task }) => {
    const [attempts, begun] = await Promise.all([
      ledger.attempts(view.record.job, step, task),
      begunMarks(platform, view, step, task),
    ]);
    if (attempts.length > 0 || begun > 0) histories.push({ step, task, attempts, begun });
  });
  return histories.sort(
    (a, b) =>
      b.begun - a.begun || b.attempts.length - a.attempts.length || a.task - b.task || (a.step < b.step ? -1 : 1),
  );
}

/** Attempts of an often delivered task that began in its round and never got an outcome. */
async function begunMarks({ store }: Platform, view: JobView, step: string, task: number): Promise<number> {
  const index = view.record.spec.steps.findIndex(({ name }) => name === step);
  const prefix = roundTriesPrefix(view.record.job, step, task, roundOf(view, index, task));
  let begun = 0;
  for await (const key of store.keys(prefix)) if (isBegunKey(key)) begun += 1;
  return begun;
}
