import * as v from 'valibot';
import { BatchctlError } from '../errors.ts';
import { kill } from '../jobs/change/lifecycle.ts';
import { FailureFacets } from '../jobs/failure-facets.ts';
import { failureFix } from '../jobs/failure-fix.ts';
import { type Cause, causesOf, examplesOf, matchCauses, readFailureObject } from '../jobs/failures.ts';
import { originFinder } from '../jobs/fetch/input-names.ts';
import { listFacts, stepTotals } from '../jobs/listing.ts';
import { refusePruned } from '../jobs/pruned.ts';
import { findTask, hasParams, requireParamNames } from '../jobs/task-params.ts';
import { listTasks, parseTaskName, requireStep, setsOfTasks, type TaskName } from '../jobs/tasks.ts';
import { isoOf } from '../lib/instant.ts';
import { mapAhead } from '../lib/parallel.ts';
import { parsePairs, wholeNumberParser } from '../lib/units.ts';
import type { CauseExample, FailureCause, KillAnswer, ListedTask } from '../model/answers/tasks.ts';
import { standingOf } from '../model/decide.ts';
import { type Facet, facetText } from '../model/facets.ts';
import { causeId } from '../model/failure.ts';
import { stepIndex } from '../model/job.ts';
import { failedKey } from '../model/keys.ts';
import type { AttemptEvent, LedgerTask } from '../model/ledger/records.ts';
import { requireLegal } from '../model/legal.ts';
import type { TaskParams } from '../model/part.ts';
import { type JobView, stateOf } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import type { VerbContext } from './context.ts';
import { jobOrLatest, jobToChange, resolveJob, resolveJobToShow } from './job.ts';
import { changing, flag, listVerb, oneOf, option, parsedText, reading, text, verb } from './verb.ts';

const STATES = ['waiting', 'running', 'done', 'failed', 'skipped'] as const;
export const TASKS_LISTED = 1_000;

/** Lists a job's tasks, or the attempts of one task. Throws `notFound`, `usage`. */
export const tasks = listVerb({
  name: 'tasks',
  ...reading('/jobs/{job}/tasks'),
  input: v.strictObject({
    job: jobOrLatest,
    task: option('--task <task>', 'all attempts of this task: <step>/<n> or <step>[name=value,...]', text),
    step: option('--step <step>', 'only tasks of this step', text),
    state: option('--state <state>', 'only tasks in this state; required to see waiting tasks', oneOf(STATES)),
    limit: option('--limit <n>', 'show at most this many (1,000)', parsedText(wholeNumberParser(1)), TASKS_LISTED),
    cause: option(
      '--cause <cause>',
      'only tasks that failed for this cause: an id from `failures`, or its beginning',
      text,
    ),
    input: option('--input <text>', 'only tasks whose input has this text in its name', text),
    param: option(
      '--param <name=value>',
      'only tasks with this parameter, such as lr=0.1; repeatable: with all of them',
      v.array(text),
      [],
    ),
    after: option('--after <task>', 'start after this task: <step>/<n>', text),
  }),
  cursorOf: ({ step, task }: ListedTask, input: { readonly task?: string | undefined }) =>
    input.task === undefined ? `${step}/${task}` : null,
  answer: async () => (await import('../model/answers/tasks.ts')).LISTED_TASK,
  async run(context, { job: said, task, step, state, limit, after, cause, input, param }) {
    const platform = await context.platform();
    const view = await resolveJobToShow(context, said);
    refusePruned(view, 'the records of its tasks');
    if (task !== undefined) return attemptsOf(platform, view, task);
    if (step !== undefined) requireStep(view, step);
    const from = after === undefined ? undefined : parseTaskName(view, after);
    const params = parsePairs('--param', param);
    await requireParamNames(platform.store, view, params);
    if (cause === undefined && input === undefined && param.length === 0) {
      return tasksOf(platform, view, listTasks(platform, view, { step, state, after: from, limit }));
    }
    if (cause !== undefined && state !== undefined && state !== 'failed') {
      throw new BatchctlError('usage', `--cause and --state ${state} are mutually exclusive`);
    }
    const filter = {
      step,
      state: cause === undefined ? state : 'failed',
      after: from,
      skippedToo: cause !== undefined,
    };
    const all = listTasks(platform, view, { ...filter, limit: Number.MAX_SAFE_INTEGER });
    return filterTasks(tasksOf(platform, view, all), { cause: cause?.toLowerCase(), input, params }, limit);
  },
});

async function* tasksOf(
  { store }: Platform,
  view: JobView,
  rows: AsyncIterable<LedgerTask>,
): AsyncIterable<ListedTask> {
  const originOf = originFinder(store, view);
  for await (const row of rows) {
    const times = { startedAt: isoOf(row.startedAt), endedAt: isoOf(row.endedAt) };
    const origin = await originOf(stepIndex(view.record.spec, row.step), row.task);
    yield { ...row, ...times, ...origin, cause: hasFailed(row) ? causeOf(row) : null };
  }
}

/** A task that was skipped has attempts only if it had failed. */
const hasFailed = ({ state, attempts }: LedgerTask): boolean =>
  state === 'failed' || (state === 'skipped' && attempts > 0);

interface RowFilter {
  readonly cause: string | undefined;
  readonly input: string | undefined;
  readonly params: TaskParams;
}

async function* filterTasks(
  rows: AsyncIterable<ListedTask>,
  { cause = '', input = '', params }: RowFilter,
  limit: number,
): AsyncIterable<ListedTask> {
  let left = limit;
  for await (const row of rows) {
    if (!(row.cause ?? '').startsWith(cause) || !(row.input ?? '').includes(input)) continue;
    if (!hasParams(row.params, params)) continue;
    yield row;
    left -= 1;
    if (left <= 0) return;
  }
}

async function* attemptsOf(platform: Platform, view: JobView, text: string): AsyncIterable<ListedTask> {
  const { name, task } = await findTask(platform.store, view, text);
  const rows = await (await platform.ledger()).attempts(view.record.job, name, task);
  const origin = await originFinder(platform.store, view)(stepIndex(view.record.spec, name), task);
  for (const row of rows) {
    const { outcome } = row;
    const bad = outcome === 'failed' && { badInput: await isBadInput(platform.store, row) };
    yield { ...attemptDocument(row), ...origin, ...bad };
  }
}

/** Whether this attempt made the task fail for good, and it was marked as bad input. */
async function isBadInput(store: ObjectStore, { job, step, task, round }: AttemptEvent): Promise<boolean> {
  return (await readFailureObject(store, failedKey(job, step, task, round)))?.badInput === true;
}

function attemptDocument(event: AttemptEvent): Omit<ListedTask, 'input' | 'place' | 'params'> {
  const { step, task, round, attempt, number, worker, outcome, exitCode, reason, error } = event;
  const { cpuSeconds, peakMemory, waitSeconds } = event;
  const failed = outcome === 'failed' || outcome === 'failedAttempt';
  return {
    step,
    task,
    state: outcome,
    round,
    attempt,
    number,
    worker,
    startedAt: isoOf(event.startedAt),
    endedAt: isoOf(event.endedAt),
    exitCode,
    reason,
    error,
    cause: failed ? causeOf(event) : null,
    cpuSeconds,
    peakMemory,
    waitSeconds,
  };
}

type FailureFacts = Pick<LedgerTask, 'step' | 'exitCode' | 'reason' | 'error'>;

function causeOf({ step, exitCode, reason, error }: FailureFacts): string {
  return causeId({ step, exitCode, reason: reason ?? 'unknown', error });
}

/** Ends the running attempt of a task, or of all running tasks of a step. Throws `notFound`, `refused`, `usage`. */
export const tasksKill = verb()({
  name: 'kill',
  ...changing('POST', '/jobs/{job}/kills'),
  input: v.strictObject({
    job: jobToChange,
    task: option('[task]', '<step>/<n> or <step>[name=value,...]; alone, of the latest job', text),
    step: option('--step <step>', 'all running tasks of this step, in place of one task', text),
    requeue: option('--requeue', 'end its attempt and retry the task (the default)', flag, false),
    fail: option('--fail', 'end its attempt and fail the task permanently', flag, false),
  }),
  answer: async () => (await import('../model/answers/tasks.ts')).KILL_ANSWER,
  async run(context, { job: said, task, step, requeue, fail }): Promise<KillAnswer> {
    if (requeue && fail) throw new BatchctlError('usage', '--requeue and --fail are mutually exclusive');
    const mode = fail ? 'fail' : 'requeue';
    const platform = await context.platform();
    const found = await resolveJob(context, said);
    const chosen = await tasksToKill(platform, found, task, step);
    requireLegal(found, 'kill');
    const [only] = chosen;
    const view = context.dryRun || only === undefined ? found : await kill(platform, found, chosen, mode);
    const { job } = view.record;
    const named = step === undefined && only !== undefined ? `${only.name}/${only.task}` : null;
    return { job, state: stateOf(view), task: named, tasks: setsOfTasks(chosen), count: chosen.length, mode };
  },
});

/** The named task, or those of a step that run as far as the ledger and the store know. */
async function tasksToKill(
  platform: Platform,
  view: JobView,
  task: string | undefined,
  step: string | undefined,
): Promise<readonly TaskName[]> {
  if (task !== undefined && step === undefined) return [await findTask(platform.store, view, task)];
  if (task !== undefined) throw new BatchctlError('usage', 'STEP/N and --step are mutually exclusive');
  if (step === undefined) {
    throw new BatchctlError('usage', 'expected a task as STEP/N, or --step STEP', {
      hint: `batchctl tasks ${view.record.job} --state running`,
    });
  }
  const index = requireStep(view, step);
  const { undecided } = standingOf(view, await listFacts(platform.store, view)).steps[index] ?? {};
  const found: TaskName[] = [];
  const every = Number.MAX_SAFE_INTEGER;
  for await (const row of listTasks(platform, view, { step, state: 'running', after: undefined, limit: every })) {
    if (undecided?.has(row.task) === true) found.push({ step: index, name: step, task: row.task });
  }
  return found;
}

export type FailuresEvent =
  /** Number of failures read so far, if reading continues. */
  | { readonly event: 'reading'; readonly failures: number }
  /** Reported before the first cause. `tasks`: all tasks of the steps that have failures. */
  | { readonly event: 'found'; readonly job: string; readonly tasks: number };

/** From this many failures on, progress is reported: with fewer, it would vanish before it can be read. */
const MANY = 5_000;
/** Failures between reports of progress. */
const EVERY = 1_000;
/** Up to this many failures are checked for bad input. */
const MAX_BAD_INPUT_CHECKS = 1_000;
/** Examples looked up concurrently. */
const AT_ONCE = 16;

/** Groups a job's failures by cause, the most frequent first. Throws `notFound`, `usage`. */
export const failures = listVerb({
  name: 'failures',
  ...reading('/jobs/{job}/failures'),
  input: v.strictObject({
    job: jobOrLatest,
    cause: option('--cause <id>', 'show one cause in detail: its tasks, and the log of one of them', text),
  }),
  answer: async () => (await import('../model/answers/tasks.ts')).FAILURE_CAUSE,
  async run(context: VerbContext<FailuresEvent>, { job, cause }) {
    const platform = await context.platform();
    const view = await resolveJobToShow(context, job);
    const onProgress = (seen: number): void => {
      context.signal.throwIfAborted();
      if (seen >= MANY && seen % EVERY === 0) context.report({ event: 'reading', failures: seen });
    };
    const facets = new FailureFacets(platform, view);
    const all = await causesOf(platform, view, onProgress, MAX_BAD_INPUT_CHECKS, facets.observe);
    const causes = cause === undefined ? all : matchCauses(all, cause, view.record.job);
    context.report({ event: 'found', job: view.record.job, tasks: tasksIn(view, causes) });
    const exampleOf = examplesOf(platform, view);
    const facetsOf = await facets.find();
    return mapAhead(causes, AT_ONCE, async (of) => documentOf(view, of, facetsOf(of), await exampleOf(of)));
  },
});

function tasksIn(view: JobView, causes: readonly Cause[]): number {
  const steps = new Set(causes.map(({ step }) => step));
  return stepTotals(view).reduce(
    (sum, size, index) => (steps.has(view.record.spec.steps[index]?.name ?? '') ? sum + size : sum),
    0,
  );
}

function documentOf(view: JobView, cause: Cause, facets: readonly Facet[], example: CauseExample): FailureCause {
  const { id, step, exitCode, reason, error, tasks, skipped, first, last, workers, badInput } = cause;
  return {
    job: view.record.job,
    cause: id,
    step,
    exitCode,
    reason,
    error,
    count: tasks.count,
    tasks: String(tasks),
    skippedCount: skipped.count,
    skipped: String(skipped),
    first: isoOf(first),
    last: isoOf(last),
    workers,
    badInput,
    example,
    facets: facets.map((facet) => ({ ...facet, text: facetText(facet) })),
    fix: failureFix(view, { cause: id, reason, input: example.input }),
  };
}
