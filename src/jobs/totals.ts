import { Big } from 'big.js';
import { eachParallel } from '../lib/parallel.ts';
import { type StepFacts, standingOf } from '../model/decide.ts';
import { type ExpectResult, evaluateExpect, parseExpect } from '../model/expect.ts';
import { hasBarrier, type JobRecord } from '../model/job.ts';
import { UNMET_REASON } from '../model/journal.ts';
import { outKey } from '../model/keys.ts';
import type { ExactCounts, StepCounts } from '../model/ledger/records.ts';
import type { OutputMeta } from '../model/output.ts';
import { changedExpect } from '../model/overrides.ts';
import { TaskBits, tasksIn } from '../model/task-set.ts';
import { type AcceptedTotal, acceptanceOf, type JobView } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { listFacts, listPublished, readOpened, stepTotals } from './listing.ts';
import { metaOf, readOutput } from './output.ts';
import { ifLedgerAvailable } from './record-view.ts';

/** Exact totals of a step, from its published outputs alone (law 12). */
export interface StepTotals {
  readonly outputs: number;
  readonly seconds: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Exact decimals as text. */
  readonly counters: Readonly<Record<string, string>>;
}

const IN_FLIGHT = 32;

/** Reads the metadata of every published task and adds it up; memory grows only with the counters' names. */
export async function totalsOf(
  store: ObjectStore,
  job: string,
  step: string,
  tasks: TaskBits,
  each?: (task: number, meta: OutputMeta) => void,
): Promise<StepTotals> {
  const sum = new TotalsSum();
  await eachParallel(tasks, IN_FLIGHT, async (task) => {
    const meta = await readMeta(store, job, step, task);
    if (meta === null) return;
    sum.add(meta);
    each?.(task, meta);
  });
  return sum.totals();
}

async function readMeta(store: ObjectStore, job: string, step: string, task: number): Promise<OutputMeta | null> {
  const key = outKey(job, step, task);
  const info = await store.head(key);
  if (info === null) return null;
  const brief = metaOf({ job, step, task }, info.metadata);
  return brief.manifest === true ? ((await readOutput(store, job, step, task))?.meta ?? null) : brief;
}

/** The value of `input.<name>` in an equation. */
function inputTotals(record: JobRecord): Readonly<Record<string, string>> {
  const bytes = record.inputs.reduce((sum, input) => sum + input.size, 0);
  // A rehearsal's equations apply to its sample.
  const { rehearsal } = record;
  return {
    bytes: String(rehearsal?.bytes ?? bytes),
    files: String(rehearsal?.inputs ?? record.inputs.length),
    ...(record.records === null ? {} : { records: String(record.records) }),
  };
}

/** Adds up the numbers in outputs' metadata (law 12), exactly; memory grows only with the counters' names. */
export class TotalsSum {
  readonly #counters = new Map<string, Big>();
  #outputs = 0;
  #seconds = 0;
  #bytesIn = 0;
  #bytesOut = 0;

  /** Throws the error of `Big` if a counter isn't a number; nothing is added then. */
  add(meta: Pick<OutputMeta, 'counters' | 'seconds' | 'bytesIn' | 'bytesOut'>): void {
    const sums = Object.entries(meta.counters).map(
      ([name, value]) => [name, (this.#counters.get(name) ?? Big(0)).plus(value)] as const,
    );
    for (const [name, sum] of sums) this.#counters.set(name, sum);
    this.#outputs += 1;
    this.#seconds += meta.seconds;
    this.#bytesIn += meta.bytesIn;
    this.#bytesOut += meta.bytesOut;
  }

  totals(): StepTotals {
    return {
      outputs: this.#outputs,
      seconds: this.#seconds,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      counters: Object.fromEntries([...this.#counters].map(([name, sum]) => [name, sum.toFixed()])),
    };
  }
}

/** A control total, evaluated on exact totals. */
export interface Expectation extends ExpectResult {
  readonly equation: string;
  /** Who accepted that it does not hold. Absent: it holds, or no one did. */
  readonly accepted?: Pick<AcceptedTotal, 'who' | 'when' | 'reason'>;
}

/** Neither does it hold, nor did a person accept that. */
export const isUnmet = ({ ok, accepted }: Expectation): boolean => !ok && accepted === undefined;

/** Evaluates a job's `expect` equations on published outputs, except those that came too late for the next step. */
export async function expectationsOf(store: ObjectStore, view: JobView): Promise<readonly Expectation[]> {
  const { spec, job } = view.record;
  const sizes = stepTotals(view);
  const totals = new Map<string, StepTotals>();
  for (const [index, step] of spec.steps.entries()) {
    const published = await listPublished(store, job, step.name, sizes[index] ?? 0);
    const next = spec.steps[index + 1];
    const opened =
      next !== undefined && hasBarrier(spec.steps, index + 1) ? await readOpened(store, job, next.name) : null;
    const counted = opened === null ? published : without(published, opened.leftOut);
    totals.set(step.name, await totalsOf(store, job, step.name, counted));
  }
  return evaluateAll(view, totals);
}

/**
 * The control totals that failed a job, which a close found unmet; none for any other job. By the ledger's exact sums if
 * they cover the same outputs and agree with the close, and otherwise by the outputs themselves.
 */
export async function unmetTotals(platform: Platform, view: JobView): Promise<readonly Expectation[]> {
  if (view.closed?.reason !== UNMET_REASON) return [];
  let known: readonly Expectation[] = [];
  await ifLedgerAvailable(async () => {
    known = unmetByCounts(view, await (await platform.ledger()).counts(view.record.job));
  });
  return known.length > 0 ? known : (await expectationsOf(platform.store, view)).filter(isUnmet);
}

/** The control totals that a job's counts don't meet; none if the counts are not exact or include late outputs. */
export function unmetByCounts(view: JobView, counts: readonly StepCounts[]): readonly Expectation[] {
  const exact = view.opened.size === 0 && counts.length > 0 && counts.every((each) => each.exact);
  return exact ? evaluateAll(view, new Map(counts.map((each) => [each.step, each]))).filter(isUnmet) : [];
}

function without(tasks: TaskBits, leftOut: string): TaskBits {
  if (leftOut === '') return tasks;
  const out = new TaskBits(tasks.size, tasksIn(leftOut));
  const left = new TaskBits(tasks.size);
  for (const n of tasks) if (!out.has(n)) left.add(n);
  return left;
}

/** Like `expectationsOf`, on totals that were already read. */
export function evaluateAll(
  view: JobView,
  totals: ReadonlyMap<string, Pick<StepTotals, 'counters'>>,
): readonly Expectation[] {
  const input = inputTotals(view.record);
  const lookup = (step: string | null, counter: string): string | null => {
    if (step === 'input') return own(input, counter);
    if (step !== null) return own(totals.get(step)?.counters ?? {}, counter);
    const found = [...totals.values()].flatMap(({ counters }) => own(counters, counter) ?? []);
    return found.length === 0 ? null : found.reduce((sum, value) => sum.plus(value), Big(0)).toFixed();
  };
  return changedExpect(view.record, view.overrides).map((equation): Expectation => {
    const found = { equation, ...evaluateExpect(parseExpect(equation), lookup) };
    const acceptance = found.ok ? null : acceptanceOf(view, found);
    if (acceptance === null) return found;
    const { who, when, reason } = acceptance;
    return { ...found, accepted: { who, when, reason } };
  });
}

/** Prevents a counter's name from reaching inherited properties such as `toString`. */
function own(values: Readonly<Record<string, string>>, name: string): string | null {
  return Object.hasOwn(values, name) ? (values[name] ?? null) : null;
}

/** Up to this many tasks, a close reads the facts of every output; above that, only a rebuild does. */
const READ_LIMIT = 10_000;

/**
 * Writes a closed job's exact counts and totals to the ledger, so that its status is exact from then on. Counts come
 * from the listing. Totals are the ledger's own if it counted the same tasks (each counts once, law 12), and otherwise
 * read from the outputs if these are few. Does nothing while tasks are undecided, as their ends would no longer count.
 * Lists the job again if the ledger has more outputs than `listed`, which then are older than the last of them.
 */
export async function recordExactCounts(
  platform: Platform,
  view: JobView,
  listed: readonly StepFacts[],
): Promise<boolean> {
  if (view.closed === null || view.cancelled) return false;
  const ledger = await platform.ledger();
  const { job, spec } = view.record;
  const counted = new Map((await ledger.counts(job, { exact: true })).map((counts) => [counts.step, counts]));
  const isOld = spec.steps.some(
    ({ name }, index) => (counted.get(name)?.done ?? 0) > (listed[index]?.published.count ?? 0),
  );
  const facts = isOld ? await listFacts(platform.store, view) : listed;
  if (!standingOf(view, facts).settled) return false;
  const few = facts.reduce((sum, { published }) => sum + published.count, 0) <= READ_LIMIT;
  const steps: ExactCounts[] = [];
  for (const [index, { name }] of spec.steps.entries()) {
    const fact = facts[index];
    if (fact === undefined) return false;
    // Tasks that never opened may still run in this round, and must count.
    if (hasBarrier(spec.steps, index) && fact.opened === null) break;
    const known = counted.get(name);
    if (view.round === 0 && known !== undefined && agrees(known, fact)) steps.push(exactOf(name, fact, known));
    else if (few) steps.push(exactOf(name, fact, await totalsOf(platform.store, job, name, fact.published)));
    else return false;
  }
  await ledger.recordExact(job, view.closed.round, steps);
  return true;
}

/** Everything that the ledger counted is published, so equal numbers mean equal tasks. */
function agrees(counts: StepCounts, { published, failed }: StepFacts): boolean {
  return counts.done === published.count && counts.failed === failed.count && counts.running === 0;
}

export function exactOf(
  step: string,
  { published, failed }: StepFacts,
  totals: Pick<ExactCounts, 'bytesIn' | 'bytesOut' | 'seconds' | 'counters'>,
): ExactCounts {
  const { bytesIn, bytesOut, seconds, counters } = totals;
  return { step, done: published.count, failed: failed.count, bytesIn, bytesOut, seconds, counters };
}
