import { BatchctlError } from '../errors.ts';
import { standingOf } from '../model/decide.ts';
import { groupBy } from '../model/group-by.ts';
import { stepIndex } from '../model/job.ts';
import type { TaskSets } from '../model/journal.ts';
import type { LedgerTask, TaskState } from '../model/ledger/records.ts';
import { formatTaskSet } from '../model/task-set.ts';
import { isSkipped, type JobView, roundOf } from '../model/view.ts';
import type { TaskFilter } from '../ports/ledger.ts';
import type { Platform } from '../ports/platform.ts';
import { listFacts, stepTotals } from './listing.ts';

interface TasksFilter {
  readonly step: string | undefined;
  readonly state: TaskState | undefined;
  readonly after: TaskName | undefined;
  readonly limit: number;
  /** With `failed`: also tasks that were skipped after they had failed. */
  readonly skippedToo?: boolean;
}

const PAGE = 1_000;

/**
 * A job's tasks in step and task order, up to `limit`. The ledger knows the tasks that began. Waiting and skipped tasks
 * are computed from the store only if the filter names them, because that needs a listing.
 */
export async function* listTasks(platform: Platform, view: JobView, filter: TasksFilter): AsyncGenerator<LedgerTask> {
  let left = filter.limit;
  for await (const task of foundTasks(platform, view, filter)) {
    if (left <= 0) return;
    if (!isWithin(view, task, filter)) continue;
    const row = withSkip(view, task);
    if (filter.state === 'failed' && row.state === 'skipped' && filter.skippedToo !== true) continue;
    left -= 1;
    yield row;
  }
}

/** The ledger knows that a task failed, not that a person has skipped it since. */
function withSkip(view: JobView, row: LedgerTask): LedgerTask {
  if (row.state !== 'failed' || view.skipped.length === 0) return row;
  const step = view.record.spec.steps.findIndex(({ name }) => name === row.step);
  return isSkipped(view, step, row.task) ? { ...row, state: 'skipped' } : row;
}

function foundTasks(
  platform: Platform,
  view: JobView,
  { state, step, after, limit }: TasksFilter,
): AsyncIterable<LedgerTask> {
  if (state === 'waiting') return waiting(platform, view);
  if (state === 'skipped') return skipped(platform, view);
  const from = after && { step: after.name, task: after.task };
  return ledgerTasks(platform, view.record.job, { states: state && [state], step, after: from, limit });
}

interface LedgerFilter {
  readonly states: TaskFilter['states'] | undefined;
  readonly step?: string | undefined;
  readonly after?: { readonly step: string; readonly task: number } | undefined;
  /** The largest page. */
  readonly limit?: number;
}

/** The tasks of a job that the ledger knows, in step and task order, in pages. */
export async function* ledgerTasks(
  platform: Pick<Platform, 'ledger'>,
  job: string,
  { states, step, after, limit = PAGE }: LedgerFilter,
): AsyncGenerator<LedgerTask, void> {
  const ledger = await platform.ledger();
  const size = Math.min(PAGE, limit);
  const filter = { limit: size, ...(step !== undefined && { step }), ...(states !== undefined && { states }) };
  for (let from = after; ; ) {
    const page = await ledger.tasks(job, { ...filter, ...(from !== undefined && { after: from }) });
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < size) return;
    from = { step: last.step, task: last.task };
  }
}

/** Undecided tasks that are not running according to the ledger. */
async function* waiting(platform: Platform, view: JobView): AsyncGenerator<LedgerTask> {
  const standing = standingOf(view, await listFacts(platform.store, view));
  const running = new Set<string>();
  const known = ledgerTasks(platform, view.record.job, { states: ['running'] });
  for await (const { step, task, round } of known) running.add(`${step}/${task}.${round}`);
  for (const [step, { name, undecided }] of standing.steps.entries()) {
    for (const task of undecided) {
      const round = roundOf(view, step, task);
      if (!running.has(`${name}/${task}.${round}`)) yield unstartedTask(name, task, round, 'waiting');
    }
  }
}

/** Skipped tasks. The ledger knows the attempts of those that ran before. */
async function* skipped(platform: Platform, view: JobView): AsyncGenerator<LedgerTask> {
  for (const [step, { name }] of view.record.spec.steps.entries()) {
    const tasks = new Set<number>();
    for (const set of view.skipped) {
      for (const [from, to] of set.get(step) ?? []) for (let n = from; n <= to; n += 1) tasks.add(n);
    }
    if (tasks.size === 0) continue;
    const attempted = ledgerTasks(platform, view.record.job, { states: ['failed', 'running'], step: name });
    let { value: row } = await attempted.next();
    for (const task of [...tasks].sort((a, b) => a - b)) {
      while (row !== undefined && row.task < task) ({ value: row } = await attempted.next());
      if (!isSkipped(view, step, task)) continue;
      const unstarted = unstartedTask(name, task, roundOf(view, step, task), 'skipped');
      yield row?.task === task ? { ...row, state: 'skipped' } : unstarted;
    }
  }
}

function isWithin(view: JobView, { step, task }: LedgerTask, { step: only, after }: TasksFilter): boolean {
  if (only !== undefined && step !== only) return false;
  if (after === undefined) return true;
  const at = view.record.spec.steps.findIndex(({ name }) => name === step);
  return at > after.step || (at === after.step && task > after.task);
}

function unstartedTask(step: string, task: number, round: number, state: 'waiting' | 'skipped'): LedgerTask {
  const nothing = { worker: null, startedAt: null, endedAt: null, exitCode: null, reason: null, error: null };
  return { step, task, state, round, attempts: 0, ...nothing };
}

/** A task of a job: the index of its step, and its number. */
export interface TaskName {
  readonly step: number;
  readonly name: string;
  readonly task: number;
}

export function setsOfTasks(tasks: readonly TaskName[]): TaskSets {
  const byStep = groupBy(tasks, ({ name }) => name);
  const numbers = (of: readonly TaskName[]): readonly number[] => of.map(({ task }) => task).sort((a, b) => a - b);
  return Object.fromEntries([...byStep].map(([name, of]) => [name, formatTaskSet(numbers(of))]));
}

/** Parses `<step>/<n>`, padded or not. Throws `usage` for another form, `notFound` without such a step or task. */
export function parseTaskName(view: JobView, text: string): TaskName {
  const match = /^([a-z][a-z0-9-]*)\/(\d{1,9})$/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) {
    throw new BatchctlError('usage', `expected a task as <step>/<n>, found "${text}"`, {
      hint: `batchctl tasks ${view.record.job}`,
    });
  }
  const step = requireStep(view, match[1]);
  const task = Number(match[2]);
  const total = stepTotals(view)[step] ?? 0;
  if (task < total) return { step, name: match[1], task };
  throw new BatchctlError('notFound', `step ${match[1]} of job ${view.record.job} has ${total} tasks, but no ${task}`, {
    hint: total === 0 ? `batchctl status ${view.record.job}` : `the last is ${match[1]}/${total - 1}`,
  });
}

/**
 * The index of the step that a choice of tasks is limited to; undefined: no limit. Throws `notFound`, and `usage` for a
 * limit beside named tasks.
 */
export function onlyStep(
  view: JobView,
  { task, step }: { readonly task: readonly string[]; readonly step?: string | undefined },
): number | undefined {
  if (step === undefined) return undefined;
  if (task.length > 0) throw new BatchctlError('usage', '--task and --step are mutually exclusive');
  return requireStep(view, step);
}

/** A step's index. Throws `notFound`, naming the steps. */
export function requireStep(view: JobView, name: string): number {
  const { spec, job } = view.record;
  const step = stepIndex(spec, name);
  if (step >= 0) return step;
  throw new BatchctlError('notFound', `job ${job} has no step ${name}`, {
    hint: `its steps: ${spec.steps.map((known) => known.name).join(', ')}`,
  });
}
