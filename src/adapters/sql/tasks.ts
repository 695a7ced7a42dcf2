import type { Kysely } from 'kysely';
import { orderSteps, stepsFrom } from '../../model/counts.ts';
import type { AttemptEvent, LedgerTask } from '../../model/ledger/records.ts';
import type { AttemptPage, TaskFilter } from '../../ports/ledger.ts';
import type { SqlDatabase } from './database.ts';
import { readJob } from './jobs.ts';
import { ATTEMPT_FACTS, attemptOf, TASK_STATES, type Tables, taskOf } from './tables.ts';

/** Rows deleted per transaction, so that writers of other jobs have their turn. */
const FORGET_CHUNK = 5000;

/** A job's steps in the job's order; steps that appear only in counts come last, by name. */
export async function stepsOf(db: Kysely<Tables>, job: string): Promise<readonly string[]> {
  const known = (await readJob(db, job))?.steps.map((step) => step.name) ?? [];
  const counted = await db.selectFrom('step_counts').select('step').distinct().where('job', '=', job).execute();
  return orderSteps(
    known,
    counted.map(({ step }) => step),
  );
}

/** One page of tasks: a seek in the step's key, or in the index of each state, never a count from the beginning. */
export async function readTasks(db: Kysely<Tables>, job: string, filter: TaskFilter): Promise<readonly LedgerTask[]> {
  const { after, limit, step: only } = filter;
  const page: LedgerTask[] = [];
  for (const step of stepsFrom(await stepsOf(db, job), after?.step)) {
    if (page.length >= limit) break;
    if (only !== undefined && step !== only) continue;
    const behind = step === after?.step ? after.task : -1;
    page.push(...(await readStepTasks(db, job, step, behind, filter.states, limit - page.length)));
  }
  return page;
}

async function readStepTasks(
  db: Kysely<Tables>,
  job: string,
  step: string,
  after: number,
  states: TaskFilter['states'],
  limit: number,
): Promise<readonly LedgerTask[]> {
  const some = db.selectFrom('tasks').where('job', '=', job).where('step', '=', step).where('task', '>', after);
  if (states === undefined) return (await some.selectAll().orderBy('task').limit(limit).execute()).map(taskOf);
  const found: LedgerTask[] = [];
  for (const state of new Set(states)) {
    // Select the numbers first, which the index holds. For whole rows, SQLite would rather read all tasks of the step.
    const numbers = some.select('task as number').where('state', '=', TASK_STATES.indexOf(state));
    const rows = await db
      .selectFrom(numbers.orderBy('task').limit(limit).as('page'))
      .innerJoin('tasks', (join) => join.onRef('tasks.task', '=', 'page.number'))
      .selectAll('tasks')
      .where('tasks.job', '=', job)
      .where('tasks.step', '=', step)
      .execute();
    found.push(...rows.map(taskOf));
  }
  return found.sort((a, b) => a.task - b.task).slice(0, limit);
}

/** Every recorded attempt of one task, oldest first. */
export async function readAttempts(
  db: Kysely<Tables>,
  job: string,
  step: string,
  task: number,
): Promise<readonly AttemptEvent[]> {
  const rows = await db
    .selectFrom('attempts')
    .select(ATTEMPT_FACTS)
    .where('job', '=', job)
    .where('step', '=', step)
    .where('task', '=', task)
    .orderBy('started_at')
    .orderBy('attempt')
    .execute();
  return rows.map((row) => attemptOf(row, job, step));
}

/** One page of a job's attempts (keyset pagination). */
export async function readAttemptsOfJob(
  db: Kysely<Tables>,
  job: string,
  { after, limit }: AttemptPage,
): Promise<readonly AttemptEvent[]> {
  const page: AttemptEvent[] = [];
  for (const step of stepsFrom(await stepsOf(db, job), after?.step)) {
    if (page.length >= limit) break;
    const behind = step === after?.step ? after : null;
    let query = db
      .selectFrom('attempts')
      .select(ATTEMPT_FACTS)
      .where('job', '=', job)
      .where('step', '=', step)
      .orderBy('task')
      .orderBy('attempt')
      .limit(limit - page.length);
    if (behind !== null) {
      // The first condition is the one by which every database seeks.
      query = query
        .where('task', '>=', behind.task)
        .where((each) => each.or([each('task', '>', behind.task), each('attempt', '>', behind.attempt)]));
    }
    for (const row of await query.execute()) page.push(attemptOf(row, job, step));
  }
  return page;
}

/** Marks the job first, so that no late event brings a task back. Deletes in chunks; if killed, it can be repeated. */
export async function forgetTasks(database: SqlDatabase, job: string): Promise<void> {
  await database.write(async (transaction) => {
    await database.locks?.job(transaction, job, 'alone');
    await transaction.updateTable('jobs').set({ pruned: 1 }).where('job', '=', job).execute();
  });
  for (const step of await database.read((db) => stepsOf(db, job))) {
    while (await forgetChunk(database, job, step));
  }
}

/** Deletes the step's first tasks, and returns whether there are more. */
function forgetChunk(database: SqlDatabase, job: string, step: string): Promise<boolean> {
  return database.write(async (transaction) => {
    const next = await transaction
      .selectFrom('tasks')
      .select('task')
      .where('job', '=', job)
      .where('step', '=', step)
      .orderBy('task')
      .offset(FORGET_CHUNK)
      .limit(1)
      .executeTakeFirst();
    for (const table of ['attempts', 'tasks'] as const) {
      await transaction
        .deleteFrom(table)
        .where('job', '=', job)
        .where('step', '=', step)
        .$if(next !== undefined, (query) => query.where('task', '<', next?.task ?? 0))
        .execute();
    }
    return next !== undefined;
  });
}
