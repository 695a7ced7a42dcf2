import { BatchctlError, nullIfUnreadable } from '../errors.ts';
import { isoOf } from '../lib/instant.ts';
import type { Report, StepReport, TotalsReport } from '../model/answers/report.ts';
import type { JobStatus, StepStatus } from '../model/answers/status.ts';
import { roundUsd } from '../model/cost/limit.ts';
import { emptyView, foldJournal } from '../model/fold.ts';
import { historyText } from '../model/history-text.ts';
import { hasBarrier, orderOf, stepIndex } from '../model/job.ts';
import type { EntryWhat, JournalEntry } from '../model/journal.ts';
import { logKey, outKey, proofsPrefix } from '../model/keys.ts';
import { type AttemptEvent, aliveMs, type LedgerWorker, type StepCounts } from '../model/ledger/records.ts';
import { slotsPerTask } from '../model/load.ts';
import { changedExpect } from '../model/overrides.ts';
import type { TaskParams } from '../model/part.ts';
import { isRehearsal } from '../model/rehearsal.ts';
import { type ReportFigures, ReportSums } from '../model/report/report-sums.ts';
import type { WaitingStep } from '../model/report/waiting.ts';
import type { KnownWorker } from '../model/report/worker-sums.ts';
import { parseTaskSet } from '../model/task-set.ts';
import { isSkipped, type JobView, roundOf } from '../model/view.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { CostReader } from './cost/status-cost.ts';
import { originFinder } from './fetch/input-names.ts';
import { findJob } from './find.ts';
import { readEntries, readView } from './journal.ts';
import { readOpened, stepTotals } from './listing.ts';
import { composeStatus } from './status.ts';
import { paramNames } from './task-params.ts';
import { evaluateAll, expectationsOf } from './totals.ts';
import { type StoredProof, standingProof } from './verify/proof.ts';

interface ReportOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * A job's report: one pass over its attempts in the ledger, its counts, and what the store says of decisions, proof and
 * late outputs. Memory is bounded, whatever the number of attempts. Throws the signal's reason when it is aborted.
 */
export async function buildReport(platform: Platform, view: JobView, options: ReportOptions = {}): Promise<Report> {
  const { store } = platform;
  const { record, closed } = view;
  const ledger = await platform.ledger();
  const now = platform.clock.now();
  const counts = await ledger.counts(record.job);
  const status = composeStatus(view, counts, [], now);
  const measured = await measure(platform, view, now, progressOf(options, counts));
  const proof = await standingProof(platform, record.job, view.next - 1);
  const late = proof === null ? await lateOutputs(store, view) : proof.result.late.slice(0, 100);
  const measuredSteps = stepReports(view, status, counts, measured);
  const { cost, steps } = await reportCost(platform, view, { counts, status, steps: measuredSteps });
  // A start time in the future doesn't make a job slower.
  const begun = Math.max(Date.parse(record.createdAt), view.notBefore === null ? 0 : Date.parse(view.notBefore));
  return {
    ...identityOf(view, status),
    startedAt: isoOf(measured.startedAt),
    endedAt: isoOf(measured.endedAt),
    closedAt: closed?.when ?? null,
    seconds: Math.max(0, (closed === null ? now : Date.parse(closed.when)) - begun) / 1_000,
    exact: status.exact && steps.every(({ name, done }) => (measured.steps.get(name)?.done ?? 0) >= done),
    proof: proof === null ? null : await proofOf(platform, record.job, proof),
    inputs: {
      count: record.inputs.length,
      bytes: record.inputs.reduce((sum, { size }) => sum + size, 0),
      records: record.records,
    },
    parts: record.parts,
    steps,
    totals: totalsReport(steps, measured),
    throughput: measured.throughput,
    timeline: measured.timeline,
    workers: measured.workers,
    ...(await withParams(store, view, measured)),
    expectations: await expectations(platform, view, { status, counts, proof, late: late.length > 0 }),
    decisions: decisionsIn(view, await readEntries(store, record.job)),
    late,
    cost,
  };
}

function identityOf({ record, round }: JobView, { state, reason }: JobStatus) {
  const { job, spec, runKey, period, createdBy, host, version, digest, code, createdAt } = record;
  const { name, labels, params } = spec;
  return {
    ...({ format: 1, job, name, runKey, period, state, reason, round, labels, params } as const),
    createdBy,
    host,
    version,
    digest,
    code,
    createdAt,
    ...(record.rehearsal && { rehearsal: { parts: record.parts, of: record.rehearsal.of.parts } }),
  };
}

/** The number of attempts is estimated from the ledger's counts. */
function progressOf({ signal, onProgress }: ReportOptions, counts: readonly StepCounts[]): MeasureOptions {
  const about = counts.reduce((sum, each) => sum + each.done + each.failed + each.retried + each.interrupted, 0);
  return {
    signal,
    onProgress: (read) => onProgress?.(read, Math.max(read, about)),
  };
}

async function proofOf({ store }: Platform, job: string, proof: StoredProof): Promise<Report['proof']> {
  let key = '';
  for await (const found of store.keys(proofsPrefix(job))) key = found;
  return { key, when: proof.when, deep: proof.result.deep };
}

/** Uses the cheapest exact source: the proof, the ledger's exact sums, or the outputs themselves. */
async function expectations(
  platform: Platform,
  view: JobView,
  known: {
    readonly status: JobStatus;
    readonly counts: readonly StepCounts[];
    readonly proof: StoredProof | null;
    /** True if the ledger's sums include outputs that the equations don't cover. */
    readonly late: boolean;
  },
): Promise<Report['expectations']> {
  const { status, counts, proof, late } = known;
  if (changedExpect(view.record, view.overrides).length === 0) return [];
  if (proof !== null) return proof.result.expectations;
  if (view.closed !== null && (late || !status.exact) && view.pruned === null)
    return expectationsOf(platform.store, view);
  const totals = new Map(counts.map((each) => [each.step, { ...each, outputs: each.done }]));
  const found = evaluateAll(view, totals);
  return view.closed === null || !status.exact ? found.map((each) => ({ ...each, ok: null })) : found;
}

interface MeasureOptions {
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (attempts: number) => void;
}

/** Reads every attempt of a job once, and measures. `now`: milliseconds since the epoch. */
async function measure(
  platform: Platform,
  view: JobView,
  now: number,
  { signal, onProgress }: MeasureOptions,
): Promise<ReportFigures> {
  const ledger = await platform.ledger();
  const { job, spec, createdAt } = view.record;
  const aliveSince = now - aliveMs(platform.leaseSeconds);
  const seen = await ledger.workers({ since: Date.parse(createdAt) });
  const indexes = new Map(spec.steps.map(({ name }, index) => [name, index]));
  const sums = new ReportSums({
    now,
    closedAt: view.closed === null ? null : Date.parse(view.closed.when),
    workers: new Map(seen.map((worker) => [worker.worker, known(worker, aliveSince)])),
    waits: waitsOf(view),
    slots: (step) => spec.steps[indexes.get(step) ?? -1]?.needs.slots ?? 1,
    askedRound: (step, task) => roundOf(view, indexes.get(step) ?? -1, task),
    skipped: (step, task) => isSkipped(view, indexes.get(step) ?? -1, task),
    logOf: ({ step, task, attempt }) => logKey(job, step, task, attempt),
  });
  let read = 0;
  for await (const page of attemptPages(ledger, job, signal)) {
    for (const attempt of page) sums.add(attempt);
    read += page.length;
    onProgress(read);
  }
  return sums.figures();
}

/** Adds the parameters of the named tasks. The lists of parts are read only if the split gives any. */
async function withParams(
  store: ObjectStore,
  view: JobView,
  { causes, slowest }: Pick<ReportFigures, 'causes' | 'slowest'>,
): Promise<Pick<Report, 'causes' | 'slowest'>> {
  if ((await paramNames(store, view)).length === 0) return { causes, slowest };
  const originOf = originFinder(store, view);
  const found = new Map<string, TaskParams | null>();
  const names = [...causes.map(({ example }) => example.task), ...slowest.map(({ task }) => task)];
  // In order, so that each list of parts is read once.
  for (const name of [...new Set(names)].sort((a, b) => numberOf(a) - numberOf(b))) {
    const { params } = await originOf(stepIndex(view.record.spec, name.split('/')[0] ?? ''), numberOf(name));
    found.set(name, params);
  }
  const paramsOf = (name: string): TaskParams | null => found.get(name) ?? null;
  return {
    causes: causes.map((cause) => ({
      ...cause,
      example: { ...cause.example, params: paramsOf(cause.example.task) },
    })),
    slowest: slowest.map((slow) => ({ ...slow, params: paramsOf(slow.task) })),
  };
}

const numberOf = (name: string): number => Number(name.split('/')[1]);

/** When the tasks of each step can start. */
function waitsOf(view: JobView): readonly WaitingStep[] {
  const { steps } = view.record.spec;
  const totals = stepTotals(view);
  return steps.map(({ name }, step) => {
    const from = step === 0 ? 'start' : hasBarrier(steps, step) ? 'all' : 'each';
    return { name, tasks: totals[step] ?? 0, from };
  });
}

function known({ host, slots, startedAt, seenAt, state }: LedgerWorker, aliveSince: number): KnownWorker {
  return { host, slots, startedAt, seenAt, alive: state !== 'gone' && seenAt >= aliveSince };
}

/** Attempts read at once: few enough for memory, enough to make requests cheap. */
const PAGE = 4_000;

/** Every recorded attempt of a job, in pages, in the ledger's order. Throws when `signal` is aborted. */
export async function* attemptPages(
  ledger: Ledger,
  job: string,
  signal?: AbortSignal,
): AsyncGenerator<readonly AttemptEvent[]> {
  for (let last: AttemptEvent | undefined; ; ) {
    signal?.throwIfAborted();
    const page = await ledger.attemptsOfJob(job, {
      limit: PAGE,
      ...(last === undefined ? {} : { after: { step: last.step, task: last.task, attempt: last.attempt } }),
    });
    yield page;
    last = page.at(-1);
    if (page.length < PAGE) return;
  }
}

/**
 * The steps' figures: counts of tasks come from the ledger, as in `status`; measurements come from the attempts.
 * Interruptions use both: a killed worker could not report one, but its attempt is recorded; a rebuilt ledger has no
 * such attempt, but may have the count.
 */
function stepReports(
  view: JobView,
  status: JobStatus,
  counts: readonly StepCounts[],
  measured: ReportFigures,
): readonly StepReport[] {
  return view.record.spec.steps.map(({ name, group, gather, needs }, index): StepReport => {
    const known: Partial<StepStatus> = status.steps[index] ?? {};
    const { total, done = 0, failed = 0, skipped = 0, retried = 0, interrupted = 0 } = known;
    const count = counts.find(({ step }) => step === name);
    const sums = measured.steps.get(name);
    return {
      name,
      group,
      gather,
      needs: { slots: needs.slots, memory: needs.memory },
      tasks: total ?? 0,
      done,
      failed,
      skipped,
      retried: Math.max(retried, sums?.retried ?? 0),
      interrupted: Math.max(interrupted, sums?.interrupted ?? 0),
      duration: sums?.duration.distribution() ?? null,
      wait: sums?.wait.distribution() ?? null,
      bytesIn: count?.bytesIn ?? 0,
      bytesOut: count?.bytesOut ?? 0,
      seconds: sums?.seconds ?? null,
      cpuSeconds: sums?.cpuSeconds ?? null,
      peakMemory: sums?.peakMemory ?? null,
      measured: sums?.measured ?? 0,
      measuredSeconds: Math.round((sums?.measuredSeconds ?? 0) * 1_000) / 1_000,
      counters: count?.counters ?? {},
      cost: null,
    };
  });
}

function totalsReport(steps: readonly StepReport[], measured: ReportFigures): TotalsReport {
  const { attempts, usefulSeconds, lostSeconds, slotSeconds, mostSlots, busySeconds, startedAt, endedAt } = measured;
  const sum = (of: (step: StepReport) => number): number => steps.reduce((total, step) => total + of(step), 0);
  const done = sum((step) => step.done);
  const span = startedAt === null || endedAt === null ? 0 : (endedAt - startedAt) / 1_000;
  const cpu = steps.flatMap(({ cpuSeconds }) => cpuSeconds ?? []);
  return {
    tasks: sum((step) => step.tasks),
    done,
    failed: sum((step) => step.failed),
    skipped: sum((step) => step.skipped),
    attempts,
    retried: sum((step) => step.retried),
    interrupted: sum((step) => step.interrupted),
    bytesIn: sum((step) => step.bytesIn),
    bytesOut: sum((step) => step.bytesOut),
    cpuSeconds: cpu.length === 0 ? null : rounded(cpu.reduce((total, seconds) => total + seconds, 0)),
    usefulSeconds,
    lostSeconds,
    slots: mostSlots,
    slotSeconds,
    utilisation: slotSeconds === 0 ? null : Math.min(1, rounded(busySeconds / slotSeconds)),
    rate: span === 0 ? null : rounded(done / span),
  };
}

const rounded = (value: number): number => Math.round(value * 1_000) / 1_000;

/** Uses prices at the time of the report, not of the run. */
const BASIS = "instance hours by the share of the job's attempts, at current spot prices and configured prices";

/** The cost of a job, also by step: in proportion to the slot-seconds of the successful attempts. */
async function reportCost(
  platform: Platform,
  view: JobView,
  { counts, status, steps }: CostedSteps,
): Promise<{ readonly cost: Report['cost']; readonly steps: readonly StepReport[] }> {
  const { cost: usd, costUnknown } = await new CostReader(platform).of(view, counts, status.steps);
  if (usd === null) return { cost: null, steps };
  const unknown = costUnknown.length === 0 ? '' : `; the price of ${costUnknown.join(', ')} is unknown`;
  const weights = steps.map(({ duration }, index) => {
    const needs = view.record.spec.steps[index]?.needs ?? { slots: 1 };
    return (duration?.sum ?? 0) * slotsPerTask(needs, MOST_SLOTS);
  });
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  const costed = steps.map((step, index): StepReport => {
    const share = all === 0 ? null : (weights[index] ?? 0) / all;
    return { ...step, cost: share === null ? null : roundUsd(usd * share) };
  });
  return { cost: { usd, basis: `${BASIS}${unknown}` }, steps: costed };
}

/** Tasks that use a whole machine (`slots: all`) count as this many slots, because machines differ. */
const MOST_SLOTS = 4;

interface CostedSteps {
  readonly counts: readonly StepCounts[];
  readonly status: Pick<JobStatus, 'steps'>;
  readonly steps: readonly StepReport[];
}

const NAMED = 100;

/** This many of the left-out tasks are read: those that a person skipped or tolerated. */
const LOOKED_AT = 10_000;

const AT_ONCE = 32;

/** Outputs published after the next step was opened without them: `step/n`, the first hundred. */
async function lateOutputs(store: ObjectStore, view: JobView): Promise<readonly string[]> {
  const { job, spec } = view.record;
  const late: string[] = [];
  for (const [index, { name }] of spec.steps.entries()) {
    const before = spec.steps[index - 1];
    if (before === undefined || !hasBarrier(spec.steps, index)) continue;
    const opened = await readOpened(store, job, name);
    const leftOut = opened === null ? [] : firstOf(opened.leftOut);
    for (let at = 0; at < leftOut.length && late.length < NAMED; at += AT_ONCE) {
      const some = leftOut.slice(at, at + AT_ONCE);
      const heads = await Promise.all(some.map((task) => store.head(outKey(job, before.name, task))));
      late.push(...some.filter((_, n) => heads[n] !== null).map((task) => `${before.name}/${task}`));
    }
  }
  return late.slice(0, NAMED);
}

function firstOf(set: string): readonly number[] {
  const tasks: number[] = [];
  for (const [from, to] of parseTaskSet(set)) {
    for (let task = from; task <= to && tasks.length < LOOKED_AT; task += 1) tasks.push(task);
  }
  return tasks;
}

/** This many of the newest are listed. */
const MAX_DECISIONS = 100;

/** Decisions of people and guards, and deliveries; other entries are part of the job's normal course. */
const DECIDED: readonly EntryWhat[] = [
  ...(['pause', 'resume', 'cancel', 'stop', 'adjust', 'kill'] as const),
  ...(['skip', 'unskip', 'accept', 'retry', 'extend', 'delivered', 'undelivered', 'prune'] as const),
];

/** The decisions about a job, oldest first, in the words of `history`. */
function decisionsIn(view: JobView, entries: readonly JournalEntry[]): Report['decisions'] {
  const decisions: Report['decisions'][number][] = [];
  let before = emptyView(view.accepted);
  for (const entry of entries) {
    const { what, when, who } = entry;
    if (DECIDED.includes(what)) decisions.push({ when, who, what, text: historyText(entry, before) });
    before = foldJournal(before, [entry]);
  }
  return decisions.slice(-MAX_DECISIONS);
}

/** Number of the name's newest jobs that are searched for an earlier one. */
const LATEST = 1_000;

/**
 * The job to compare with: `last` is the latest finished job of the same name that was accepted earlier, anything else
 * is a JOB. Throws `notFound`, and `usage` if it is the same job.
 */
export async function comparedJob(platform: Platform, view: JobView, text: string): Promise<JobView> {
  if (text === 'last') return lastBefore(platform, view);
  const found = await findJob(platform, text);
  if (found.record.job !== view.record.job) return found;
  throw new BatchctlError('usage', `expected another job to compare with, found ${found.record.job} itself`, {
    hint: `batchctl report ${found.record.job} --compare last`,
  });
}

async function lastBefore(platform: Platform, { record }: JobView): Promise<JobView> {
  const { name } = record.spec;
  const ledger = await platform.ledger();
  const before = Date.parse(orderOf(record));
  for (const { job, createdAt, steps } of await ledger.jobs({ name, states: ['succeeded', 'failed'], limit: LATEST })) {
    if (job === record.job || createdAt > before || isRehearsal(steps)) continue;
    const view = await readView(platform.store, job).catch(nullIfUnreadable);
    if (view !== null && view.pruned === null) return view;
  }
  throw new BatchctlError('notFound', `there is no finished job named "${name}" before ${record.job}`, {
    hint: `batchctl jobs --name ${name}`,
  });
}
