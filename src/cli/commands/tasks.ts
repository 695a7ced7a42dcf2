import { readFailureObject } from '../../jobs/failures.ts';
import { refusePruned } from '../../jobs/prune/pruned.ts';
import { listTasks, mustHaveStep, parseTaskName } from '../../jobs/tasks.ts';
import { formatDuration, wholeNumber } from '../../lib/units.ts';
import { causeId } from '../../model/failure.ts';
import { failedKey } from '../../model/keys.ts';
import type { JobView } from '../../model/view.ts';
import type { AttemptEvent, LedgerTask } from '../../ports/ledger.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { JOB_TEXT, jobShown } from '../../verbs/job.ts';
import { type CommandDefinition, choice, defineCommand, parsed } from '../command.ts';
import type { Context } from '../context.ts';
import { answerList } from '../render.ts';

const STATES = ['waiting', 'running', 'done', 'failed', 'skipped'] as const;
const textOrNull = { type: ['string', 'null'] };
const dateOrNull = { ...textOrNull, format: 'date-time' };
const numberOrNull = { type: ['number', 'null'] };

export function tasksCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '[job]': `${JOB_TEXT}; the latest unless given` },
    options: {
      '--task <task>': 'all attempts of this task: <step>/<n>',
      '--step <step>': 'only tasks of this step',
      '--state <state>': choice('only tasks in this state; required to see waiting tasks', STATES),
      '--limit <n>': parsed('show at most this many (1,000)', wholeNumber(1)),
      '--after <task>': 'start after this task: <step>/<n>',
    },
    writes: false,
    output: {
      type: 'object',
      required: [
        ...['step', 'task', 'state', 'round', 'worker', 'startedAt', 'endedAt', 'exitCode', 'reason', 'error', 'cause'],
      ],
      properties: {
        step: { type: 'string' },
        task: { type: 'integer' },
        state: { type: 'string', description: `${STATES.join(', ')}; for an attempt, its outcome` },
        round: { type: 'integer' },
        attempts: { type: 'integer', description: 'number of recorded attempts; only for a task' },
        attempt: { type: 'string', description: 'id of the attempt; only with --task, like the fields below' },
        number: { type: 'integer' },
        cpuSeconds: numberOrNull,
        peakMemory: { ...numberOrNull, description: 'bytes' },
        worker: textOrNull,
        startedAt: dateOrNull,
        endedAt: dateOrNull,
        exitCode: { type: ['integer', 'null'] },
        reason: textOrNull,
        error: { ...textOrNull, description: 'the last line of stderr' },
        cause: { ...textOrNull, description: 'the id used by failures; null for a success' },
        badInput: {
          type: 'boolean',
          description:
            'the task used up its attempts on at least two workers; only for an attempt that failed for good',
        },
      },
    },
    help: {
      about: 'Lists tasks by step and number, one per line; with --task, one attempt per line.',
      examples: ['batchctl tasks last --state failed', 'batchctl tasks last --task price/17'],
      exitCodes: [
        [0, 'also if there are none'],
        [4, 'no such job, step or task'],
      ],
      related: ['failures', 'logs', 'reproduce', 'retry', 'tasks kill', 'status'],
    },
    run: (input) => tasks({ ctx, ...input }),
  });
}

export interface TasksOptions {
  readonly ctx: Context;
  readonly job: string | undefined;
  readonly task: string | undefined;
  readonly step: string | undefined;
  readonly state: (typeof STATES)[number] | undefined;
  readonly limit: number | undefined;
  readonly after: string | undefined;
}

/** Lists a job's tasks, or the attempts of one task. Throws `notFound`, `usage`. */
export async function tasks({ ctx, job, task, step, state, limit = 1_000, after }: TasksOptions): Promise<void> {
  const platform = await ctx.platform();
  const view = await jobShown(ctx, job);
  refusePruned(view, 'the records of its tasks');
  if (task !== undefined) return attempts(ctx, view, task);
  if (step !== undefined) mustHaveStep(view, step);
  const from = after === undefined ? undefined : parseTaskName(view, after);
  let last: LedgerTask | null = null;
  async function* rows(): AsyncGenerator<LedgerTask> {
    for await (const row of listTasks(platform, view, { step, state, after: from, limit })) {
      last = row;
      yield row;
    }
  }
  const count = await answerList<LedgerTask>(ctx, {
    rows: rows(),
    json: (row) => ({
      ...row,
      startedAt: iso(row.startedAt),
      endedAt: iso(row.endedAt),
      cause: row.state === 'failed' ? causeOf(row) : null,
    }),
    columns: [
      { title: 'task', value: (row) => `${row.step}/${row.task}` },
      { title: 'state', value: (row) => row.state },
      { title: 'attempts', value: (row) => String(row.attempts), align: 'right' },
      { title: 'took', value: took, align: 'right' },
      ...ENDED,
    ],
    empty: `no tasks${state === undefined ? ' have started' : ` are ${state}`}`,
  });
  const shown = last as LedgerTask | null;
  if (count === limit && shown !== null) ctx.notice(`more: --after ${shown.step}/${shown.task}`);
}

async function attempts(ctx: Context, view: JobView, text: string): Promise<void> {
  const { name, task } = parseTaskName(view, text);
  const platform = await ctx.platform();
  const rows = await (await platform.ledger()).attempts(view.record.job, name, task);
  const bad = await badRounds(platform.store, view.record.job, rows);
  await answerList<AttemptEvent>(ctx, {
    rows,
    json: (event) => ({
      ...attemptDocument(event),
      ...(event.outcome === 'failed' && { badInput: bad.has(event.round) }),
    }),
    columns: [
      { title: 'attempt', value: ({ attempt }) => attempt },
      { title: 'number', value: ({ number }) => String(number), align: 'right' },
      { title: 'round', value: ({ round }) => String(round), align: 'right' },
      { title: 'outcome', value: ({ outcome }) => outcome },
      { title: 'took', value: took, align: 'right' },
      ...ENDED,
    ],
    empty: `no attempt of ${name}/${task} has started`,
  });
  if (bad.size > 0) ctx.notice(`bad input: it used up its attempts on at least two workers`);
}

/** The rounds in which the task failed for good and was marked as bad input. */
async function badRounds(
  store: ObjectStore,
  job: string,
  attempts: readonly AttemptEvent[],
): Promise<ReadonlySet<number>> {
  const bad = new Set<number>();
  for (const { outcome, step, task, round } of attempts) {
    if (outcome !== 'failed') continue;
    if ((await readFailureObject(store, failedKey(job, step, task, round)))?.badInput) bad.add(round);
  }
  return bad;
}

function attemptDocument(event: AttemptEvent): Readonly<Record<string, unknown>> {
  const { step, task, round, attempt, number, worker, exitCode, reason, error, cpuSeconds, peakMemory } = event;
  const times = { startedAt: iso(event.startedAt), endedAt: iso(event.endedAt) };
  const what = { step, task, state: event.outcome, round, attempt, number, worker, ...times };
  const failed = event.outcome === 'failed' || event.outcome === 'failedAttempt';
  return { ...what, exitCode, reason, error, cause: failed ? causeOf(event) : null, cpuSeconds, peakMemory };
}

function causeOf({ step, exitCode, reason, error }: Ended & { readonly step: string }): string {
  return causeId({ step, exitCode, reason: reason ?? 'unknown', error });
}

type Ended = Pick<LedgerTask, 'worker' | 'startedAt' | 'endedAt' | 'exitCode' | 'reason' | 'error'>;
const ENDED = [
  { title: 'exit', value: ({ exitCode }: Ended) => String(exitCode ?? ''), align: 'right' },
  { title: 'reason', value: ({ reason }: Ended) => reason ?? '' },
  { title: 'worker', value: ({ worker }: Ended) => worker ?? '' },
  { title: 'error', value: ({ error }: Ended) => error ?? '' },
] as const;

function took({ startedAt, endedAt }: Ended): string {
  return startedAt === null || endedAt === null ? '' : formatDuration((endedAt - startedAt) / 1_000);
}

const iso = (instant: number | null): string | null => (instant === null ? null : new Date(instant).toISOString());
