import { ahead } from '../../lib/ahead.ts';
import { TaskBits } from '../../model/bits.ts';
import type { StepFacts } from '../../model/decide.ts';
import { outPrefix, taskOfOut } from '../../model/keys.ts';
import type { OutputMeta } from '../../model/output.ts';
import { tasksIn } from '../../model/task-set.ts';
import { madeTwice } from '../../model/verify/attempt-places.ts';
import { publishedEnd } from '../../model/verify/evidence-lines.ts';
import { NAMED } from '../../model/verify/findings.ts';
import { stepTotals } from '../listing.ts';
import type { StepTotals } from '../totals.ts';
import { type Found, type Looked, lookAt } from './look-at-output.ts';
import { Unpublished } from './scan-unpublished.ts';
import { TotalsSum } from './totals-sum.ts';
import type { Verifying } from './verify-context.ts';

export interface StepScanned {
  readonly facts: StepFacts;
  /** Of the outputs that count: those that a gather left out apart. */
  readonly totals: StepTotals;
}

/** Outputs looked at ahead of the one whose turn it is. */
const AHEAD = 16;

/**
 * Lists one step's outputs and failures, once, side by side, and looks at each. `before` is what was published of the
 * step before; `each` is told every sound output, and whether a gather went without it.
 */
export async function scanStep(
  ctx: Verifying,
  index: number,
  before: TaskBits | null,
  each?: (task: number, meta: OutputMeta, late: boolean) => Promise<void> | undefined,
): Promise<StepScanned> {
  const name = ctx.view.record.spec.steps[index]?.name ?? '';
  const published = new TaskBits(stepTotals(ctx.view)[index] ?? 0);
  const opened = ctx.opened[index] ?? null;
  const leftOut = leftOutBy(ctx, index + 1, published.size);
  const sum = new TotalsSum();
  const rest = new Unpublished(ctx, index, before);
  ctx.evidence?.beginStep(name);
  let next = 0;
  for await (const looked of ahead(tasksOf(ctx, name, published), AHEAD, (found) => lookAt(ctx, name, found))) {
    const { task, meta } = looked;
    ctx.looked(1);
    if (task > next) await rest.tell(next, task);
    next = task + 1;
    const late = leftOut.has(task);
    const own = looked.problem ?? (meta === null ? null : twice(ctx, index, task, meta));
    const wrong = own ?? (meta === null || late ? null : addTo(sum, meta));
    if (meta !== null && wrong === null) await each?.(task, meta, late);
    if (wrong !== null) sayAltered(ctx, name, task, wrong);
    else if (meta !== null) ctx.evidence?.end(publishedEnd(name, task, meta, late));
  }
  await rest.tell(next, published.size);
  await rest.close();
  const totals = sum.totals();
  ctx.evidence?.endStep(totals);
  return { facts: { size: published.size, published, failed: rest.failed, opened }, totals };
}

function sayAltered(ctx: Verifying, name: string, task: number, problem: Looked['problem'] & string): void {
  if (ctx.altered.length < NAMED) ctx.altered.push(`${name}/${task}`);
  ctx.findings.add('altered', `the output of ${name}/${task} isn't what was published: ${problem}`);
  ctx.evidence?.end({ line: 'end', step: name, n: task, end: 'altered', problem });
}

/** The tasks that the gather at `index`, if there is one and it is open, goes without. */
function leftOutBy(ctx: Verifying, index: number, size: number): TaskBits {
  const bits = new TaskBits(size);
  try {
    for (const task of tasksIn(ctx.opened[index]?.leftOut ?? '')) bits.add(task);
  } catch {
    // No set of tasks: the check of the gather says so.
  }
  return bits;
}

/** The objects under out/ that are a task's; any other is named and passed over. */
async function* tasksOf(ctx: Verifying, name: string, published: TaskBits): AsyncGenerator<Found> {
  const options = ctx.signal === undefined ? {} : { signal: ctx.signal };
  for await (const key of ctx.store.keys(outPrefix(ctx.view.record.job, name), options)) {
    const task = taskOfOut(key);
    if (task === null || task >= published.size) {
      ctx.findings.add('foreign', `${key} is the output of no task of step ${name}: move it away`);
      continue;
    }
    published.add(task);
    yield { task, key };
  }
}

/** What is wrong where the attempt that made this output made another one before. */
function twice({ attempts }: Verifying, index: number, task: number, { attempt }: OutputMeta): string | null {
  const other = attempts.note(attempt, index, task);
  return other === null ? null : madeTwice(attempt, other);
}

function addTo(sum: TotalsSum, meta: OutputMeta): string | null {
  try {
    sum.add(meta);
    return null;
  } catch {
    return 'one of its counters is no number';
  }
}
