import * as v from 'valibot';
import { BatchctlError } from '../errors.ts';
import { kill } from '../jobs/change/kill.ts';
import { readFailureObject } from '../jobs/failures.ts';
import { refusePruned } from '../jobs/prune/pruned.ts';
import { listTasks, mustHaveStep, parseTaskName } from '../jobs/tasks.ts';
import { wholeNumber } from '../lib/units.ts';
import type { KilledTask, ListedTask } from '../model/answers/tasks.ts';
import { causeId } from '../model/failure.ts';
import { failedKey } from '../model/keys.ts';
import { mustBeLegal } from '../model/legal.ts';
import { type JobView, stateOf } from '../model/view.ts';
import type { AttemptEvent, LedgerTask } from '../ports/ledger.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { changedJob, jobMeant, jobOrLatest, jobShown } from './job.ts';
import { field, flag, listVerb, oneOf, parsedText, text, verb } from './verb.ts';

const STATES = ['waiting', 'running', 'done', 'failed', 'skipped'] as const;
/** Default limit of listed tasks. */
export const TASKS_LISTED = 1_000;

/** Lists a job's tasks, or the attempts of one task. Throws `notFound`, `usage`. */
export const tasks = listVerb({
  name: 'tasks',
  scope: 'read',
  changes: false,
  http: { method: 'GET', path: '/jobs/{job}/tasks' },
  input: v.strictObject({
    job: v.optional(jobOrLatest),
    task: v.optional(field('--task <task>', 'all attempts of this task: <step>/<n>', text)),
    step: v.optional(field('--step <step>', 'only tasks of this step', text)),
    state: v.optional(
      field('--state <state>', 'only tasks in this state; required to see waiting tasks', oneOf(STATES)),
    ),
    limit: v.optional(field('--limit <n>', 'show at most this many (1,000)', parsedText(wholeNumber(1))), TASKS_LISTED),
    after: v.optional(field('--after <task>', 'start after this task: <step>/<n>', text)),
  }),
  answer: async () => (await import('../model/answers/tasks.ts')).LISTED_TASK,
  async run(context, { job: said, task, step, state, limit, after }) {
    const platform = await context.platform();
    const view = await jobShown(context, said);
    refusePruned(view, 'the records of its tasks');
    if (task !== undefined) return attemptsOf(platform, view, task);
    if (step !== undefined) mustHaveStep(view, step);
    const from = after === undefined ? undefined : parseTaskName(view, after);
    return tasksOf(listTasks(platform, view, { step, state, after: from, limit }));
  },
});

async function* tasksOf(rows: AsyncIterable<LedgerTask>): AsyncIterable<ListedTask> {
  for await (const row of rows) {
    const times = { startedAt: iso(row.startedAt), endedAt: iso(row.endedAt) };
    yield { ...row, ...times, cause: row.state === 'failed' ? causeOf(row) : null };
  }
}

async function* attemptsOf(platform: Platform, view: JobView, text: string): AsyncIterable<ListedTask> {
  const { name, task } = parseTaskName(view, text);
  const rows = await (await platform.ledger()).attempts(view.record.job, name, task);
  for (const row of rows) {
    const { outcome } = row;
    const bad = outcome === 'failed' && { badInput: await isBadInput(platform.store, row) };
    yield { ...attemptDocument(row), ...bad };
  }
}

/** Whether this attempt made the task fail for good, and it was marked as bad input. */
async function isBadInput(store: ObjectStore, { job, step, task, round }: AttemptEvent): Promise<boolean> {
  return (await readFailureObject(store, failedKey(job, step, task, round)))?.badInput === true;
}

function attemptDocument(event: AttemptEvent): ListedTask {
  const { step, task, round, attempt, number, worker, exitCode, reason, error, cpuSeconds, peakMemory } = event;
  const times = { startedAt: iso(event.startedAt), endedAt: iso(event.endedAt) };
  const what = { step, task, state: event.outcome, round, attempt, number, worker, ...times };
  const failed = event.outcome === 'failed' || event.outcome === 'failedAttempt';
  return { ...what, exitCode, reason, error, cause: failed ? causeOf(event) : null, cpuSeconds, peakMemory };
}

function causeOf({
  step,
  exitCode,
  reason,
  error,
}: Pick<LedgerTask, 'step' | 'exitCode' | 'reason' | 'error'>): string {
  return causeId({ step, exitCode, reason: reason ?? 'unknown', error });
}

const iso = (instant: number | null): string | null => (instant === null ? null : new Date(instant).toISOString());

/** Ends a task's running attempt. Throws `notFound`, `refused`, `usage`. */
export const tasksKill = verb()({
  name: 'kill',
  scope: 'operate',
  changes: true,
  http: { method: 'POST', path: '/jobs/{job}/kills' },
  input: v.strictObject({
    job: changedJob,
    task: field('[task]', '<step>/<n>; alone, of the latest job', text),
    requeue: v.optional(field('--requeue', 'end its attempt and retry the task (the default)', flag), false),
    fail: v.optional(field('--fail', 'end its attempt and fail the task permanently', flag), false),
  }),
  answer: async () => (await import('../model/answers/tasks.ts')).KILLED_TASK,
  async run(context, { job: said, task, requeue, fail }): Promise<KilledTask> {
    if (requeue && fail) throw new BatchctlError('usage', '--requeue and --fail are mutually exclusive');
    const mode = fail ? 'fail' : 'requeue';
    const platform = await context.platform();
    const found = await jobMeant(context, said);
    const named = parseTaskName(found, task);
    mustBeLegal(found, 'kill');
    const view = context.dryRun ? found : await kill(platform, found, named, mode);
    return { job: view.record.job, state: stateOf(view), task: `${named.name}/${named.task}`, mode };
  },
});
