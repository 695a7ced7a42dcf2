import type { Value } from '../answers/shapes.ts';
import type { VERIFY_RESULT } from '../answers/verify.ts';
import { factOf, isHeldBack, type JobStanding, type StepFacts, standingOf } from '../decide.ts';
import { hasBarrier, sectionStart, sumBySection, takesFiles, toleratedFrom } from '../job.ts';
import { countIn, parseTaskSet, tasksIn } from '../task-set.ts';
import type { OpenedGather } from '../view.ts';
import { isSkipped, isSkippedItself, type JobView } from '../view.ts';
import { type Findings, TaskNames } from './findings.ts';

type StepProof = Value<typeof VERIFY_RESULT>['steps'][number];

/** The end of every chain of a job. */
export interface ChainsResult {
  readonly standing: JobStanding;
  readonly steps: readonly StepProof[];
  readonly chains: { readonly failed: number; readonly tolerated: number };
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
  readonly missing: readonly string[];
  readonly late: readonly string[];
}

/**
 * Proves for a closed job that every chain is published in the last map step of its section, failed for good within
 * tolerance, or was skipped; and that every gather, and every step behind an `explode`, was opened with exactly the
 * published ones. A pure function of journal and listing.
 */
export function checkChains(view: JobView, facts: readonly StepFacts[], findings: Findings): ChainsResult {
  const standing = standingOf(view, facts);
  const [failed, skipped, missing, late] = [new TaskNames(), new TaskNames(), new TaskNames(), new TaskNames()];
  // Tasks that `onFailure: stop` gave up count as failed (law 9), and aren't waited for.
  const givenUp = view.stopped !== null;
  const steps = standing.steps.map((step, index): StepProof => {
    const fact = factOf(facts, index);
    const before = { failed: failed.count, skipped: skipped.count, missing: missing.count };
    for (const n of fact.failed) if (!isSkipped(view, index, n)) failed.add(step.name, n);
    for (const n of step.undecided) (givenUp ? failed : missing).add(step.name, n);
    for (const n of heldBackTasks(view, fact, index)) failed.add(step.name, n);
    addSkipped(view, facts, index, skipped);
    return {
      name: step.name,
      tasks: step.total,
      published: step.published,
      failed: failed.count - before.failed,
      skipped: skipped.count - before.skipped,
      missing: missing.count - before.missing,
    };
  });
  if (missing.count > 0) findings.add('missing', missingText(missing, view.cancelled));
  for (const index of view.record.spec.steps.keys()) {
    if (hasBarrier(view.record.spec.steps, index)) checkOpened(view, facts, index, { standing, findings, late });
    else checkOrder(view, facts, index, findings);
  }
  return {
    standing,
    steps,
    chains: checkTolerance(view, facts, steps, findings),
    failed: failed.names,
    skipped: skipped.names,
    missing: missing.names,
    late: late.names,
  };
}

/** Undecided tasks that canaries hold back: `standingOf` counts them as failed. */
function* heldBackTasks(view: JobView, { size, published, failed }: StepFacts, index: number): Generator<number> {
  if (view.asked.every(({ released }) => released)) return;
  for (let n = 0; n < size; n += 1) {
    const decided = published.has(n) || failed.has(n) || isSkipped(view, index, n);
    if (!decided && isHeldBack(view, index, n)) yield n;
  }
}

/** Failures are counted within each section, as they were when its gather was opened. Returns the worst section. */
function checkTolerance(
  view: JobView,
  facts: readonly StepFacts[],
  steps: readonly StepProof[],
  findings: Findings,
): ChainsResult['chains'] {
  const specs = view.record.spec.steps;
  const sections = sumBySection(
    specs,
    steps.map((step) => step.failed),
  );
  let worst = { failed: 0, tolerated: toleratedFrom(view, 0, factOf(facts, 0).size) };
  for (const [start, failed] of sections) {
    const tolerated = toleratedFrom(view, start, factOf(facts, start).size);
    if (failed - tolerated > worst.failed - worst.tolerated) worst = { failed, tolerated };
    if (failed <= tolerated) continue;
    const chains = `${failed} ${failed === 1 ? 'chain' : 'chains'} from step ${specs[start]?.name}`;
    findings.add('failures', `${chains} failed for good; at most ${tolerated} may`);
  }
  return worst;
}

/** A step's output is made from the previous one: if that isn't published, it was removed. */
function checkOrder(view: JobView, facts: readonly StepFacts[], index: number, findings: Findings): void {
  const { steps } = view.record.spec;
  if (sectionStart(steps, index) === index) return;
  const before = factOf(facts, index - 1).published;
  for (const n of factOf(facts, index).published) {
    if (before.has(n)) continue;
    const [from, name] = [steps[index - 1]?.name, steps[index]?.name];
    findings.add('orphan', `${name}/${n} is published, but its input, ${from}/${n}, is not`);
  }
}

function checkOpened(
  view: JobView,
  facts: readonly StepFacts[],
  index: number,
  { standing, findings, late }: { standing: JobStanding; findings: Findings; late: TaskNames },
): void {
  const { steps } = view.record.spec;
  const name = `${takesFiles(steps, index) ? 'step' : 'gather'} ${steps[index]?.name ?? ''}`;
  const before = { name: steps[index - 1]?.name ?? '', fact: factOf(facts, index - 1) };
  const { opened, published } = factOf(facts, index);
  if (opened === null) {
    if (published.count > 0 || view.closed?.state === 'succeeded')
      findings.add('notOpened', `the store does not say which outputs the ${name} took: opened.json is missing`);
    return;
  }
  let left = 0;
  try {
    left = countIn(parseTaskSet(opened.leftOut));
  } catch {
    findings.add('opened', `the ${name} was opened without "${opened.leftOut}", which is not a set of tasks`);
    return;
  }
  // Behind an `explode` the count is of files, which is compared where they are read.
  const due = takesFiles(steps, index) ? before.fact.size - left : opened.count;
  if (due + left !== before.fact.size) {
    findings.add(
      'opened',
      `the ${name} was opened with ${opened.count} outputs and without ${left}; ${before.name} has ${before.fact.size} tasks`,
    );
  }
  const undecided = openingProblem(view, index, opened);
  if (undecided === 'differs')
    findings.add('opened', `the ${name} was opened without ${opened.leftOut}, but the journal decided otherwise`);
  let taken = before.fact.published.count;
  for (const n of tasksIn(opened.leftOut)) {
    if (!before.fact.published.has(n)) continue;
    late.add(before.name, n);
    taken -= 1;
    if (undecided === 'missing')
      findings.add(
        'opened',
        `the ${name} was opened without ${before.name}/${n}, which is published, and no journal entry decided that`,
      );
  }
  // If missing tasks before it are already named, that is enough.
  const start = sectionStart(steps, index - 1);
  const named = standing.steps.slice(start, index).some(({ undecided }) => undecided.count > 0);
  if (taken < due && !named)
    findings.add('opened', `the ${name} took ${due} outputs of ${before.name}, of which ${taken} exist`);
}

/** The problem with the journal's `open` entry, which decides the tasks to leave out; null if there is none. */
function openingProblem(view: JobView, index: number, { count, leftOut }: OpenedGather): 'differs' | 'missing' | null {
  if (leftOut === '') return null;
  const decided = view.opened.get(index);
  if (decided === undefined) return 'missing';
  return decided.leftOut === leftOut && decided.count === count ? null : 'differs';
}

/**
 * Skipped, and without an output: one that came anyway counts as published, and then the next task of its chain is the
 * skipped one.
 */
function addSkipped(view: JobView, facts: readonly StepFacts[], index: number, skipped: TaskNames): void {
  if (view.skipped.length === 0) return;
  const { steps } = view.record.spec;
  const name = steps[index]?.name ?? '';
  const { size, published } = factOf(facts, index);
  const before = sectionStart(steps, index) === index ? null : factOf(facts, index - 1).published;
  for (let n = 0; n < size; n += 1) {
    if (published.has(n)) continue;
    if (isSkippedItself(view, index, n) || (before?.has(n) === true && isSkipped(view, index, n))) skipped.add(name, n);
  }
}

function missingText({ names, count }: TaskNames, cancelled: boolean): string {
  const some = names.slice(0, 3).join(', ');
  const tasks = `${count === 1 ? 'task' : `${count} tasks`} ${some}${count > 3 ? ' and others' : ''}`;
  const why = cancelled ? ', because the job was cancelled' : '';
  return `${tasks} ${count === 1 ? 'has' : 'have'} no output and no final state${why}`;
}
