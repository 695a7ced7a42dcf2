import { type Cause, type CauseExample, causesOf, exampleOf, matching } from '../../jobs/failures.ts';
import { stepTotals } from '../../jobs/listing.ts';
import { ahead } from '../../lib/parallel.ts';
import type { JobView } from '../../model/view.ts';
import { jobShown } from '../../verbs/job.ts';
import { type CommandDefinition, defineCommand, type JsonSchema } from '../command.ts';
import type { Context } from '../context.ts';
import { formatCount, formatDistance, formatInstant, formatMany } from '../format.ts';
import { actLines } from '../mend-lines.ts';
import { type Progress, startProgress } from '../progress.ts';
import { print, renderTable } from '../render.ts';
import { oneLine } from '../terminal-text.ts';

export function failuresCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '[job]': 'id, prefix, key:RUN-KEY, name:NAME or last; the latest unless given' },
    options: { '--cause <id>': 'show one cause in detail: its tasks, and the log of one of them' },
    writes: false,
    output: FAILURES_OUTPUT,
    help: {
      about:
        'Shows why tasks failed for good, as of now. Failures are grouped by step, exit code, reason and last line of stderr, ignoring numbers, ids, paths and times. A cause has the same id in every job. Also works while the job is running.',
      examples: ['batchctl failures', 'batchctl failures last --cause qip7w6', 'batchctl failures last --json'],
      exitCodes: [
        [0, 'also if nothing failed for good'],
        [4, 'no such job or cause'],
      ],
      related: ['retry', 'skip', 'reproduce', 'logs', 'tasks', 'why'],
    },
    run: (input) => failures({ ctx, ...input }),
  });
}

export interface FailuresOptions {
  readonly ctx: Context;
  readonly job: string | undefined;
  readonly cause: string | undefined;
}

/** Groups a job's failures by cause. Throws `notFound`, `usage`. */
export async function failures({ ctx, job, cause }: FailuresOptions): Promise<void> {
  const view = await jobShown(ctx, job);
  const all = await gather(ctx, view);
  const causes = cause === undefined ? all : matching(all, cause, view.record.job);
  if (ctx.flags.json) return printDocuments(ctx, view, causes);
  if (causes.length === 0) return ctx.notice(`no task of ${view.record.job} has failed for good`);
  if (cause === undefined) {
    await print(ctx, `${headline(view, causes)}\n\n${await causesTable(ctx, causes)}\n`);
  } else {
    const zone = await ctx.zone();
    for await (const { of, example } of withExamples(ctx, view, causes)) {
      await print(ctx, `${causeText(of, example, { zone, now: ctx.clock.now() })}\n`);
    }
  }
  const { isTTY, columns } = ctx.io.stderr;
  const room = isTTY === true ? (columns ?? 80) : Number.POSITIVE_INFINITY;
  ctx.notice(`\n${nextCommands(view, causes, cause !== undefined, room)}`);
}

async function printDocuments(ctx: Context, view: JobView, causes: readonly Cause[]): Promise<void> {
  for await (const { of, example } of withExamples(ctx, view, causes)) {
    await print(ctx, `${JSON.stringify(causeDocument(view.record.job, of, example))}\n`);
  }
}

const AHEAD = 8;

async function* withExamples(
  ctx: Context,
  view: JobView,
  causes: readonly Cause[],
): AsyncGenerator<{ readonly of: Cause; readonly example: CauseExample }> {
  const platform = await ctx.platform();
  yield* ahead(causes, AHEAD, async (of) => ({ of, example: await exampleOf(platform, view, of) }));
}

/** With fewer failures, a progress line would vanish before it can be read. */
const MANY = 5_000;

/** Up to this many failures are checked for bad input. */
const LOOKED_UP = 1_000;

async function gather(ctx: Context, view: JobView): Promise<readonly Cause[]> {
  let starting: Promise<void> | null = null;
  let progress: Progress | null = null;
  const onProgress = (seen: number): void => {
    ctx.signal.throwIfAborted();
    if (seen >= MANY) {
      starting ??= startProgress(ctx, 'reading failures').then((made) => {
        progress = made;
      });
    }
    if (seen % 1_000 === 0) progress?.update(seen, null);
  };
  const end = async (how: 'done' | 'failed'): Promise<void> => {
    await starting;
    progress?.[how]();
  };
  try {
    const causes = await causesOf(await ctx.platform(), view, onProgress, LOOKED_UP);
    await end('done');
    return causes;
  } catch (error) {
    await end('failed');
    throw error;
  }
}

const textOrNull = { type: ['string', 'null'] };

const dateOrNull = { ...textOrNull, format: 'date-time' };

/** One line of `failures --json`. */
const FAILURES_OUTPUT: JsonSchema = {
  type: 'object',
  required: [
    ...['job', 'cause', 'step', 'exitCode', 'reason', 'error', 'count', 'tasks', 'skippedCount', 'skipped'],
    ...['first', 'last', 'workers', 'badInput', 'example'],
  ],
  properties: {
    job: { type: 'string' },
    cause: { type: 'string', description: 'id of the cause, the same in every job' },
    step: { type: 'string' },
    exitCode: { type: ['integer', 'null'] },
    reason: { type: 'string' },
    error: { ...textOrNull, description: 'the last line of stderr, without numbers, ids, paths and times' },
    count: { type: 'integer', description: 'tasks that failed for this cause, without skipped ones' },
    tasks: { type: 'string', description: 'the tasks: 0-4,17' },
    skippedCount: { type: 'integer' },
    skipped: { type: 'string', description: 'tasks that failed for this cause and were skipped by a person' },
    first: { ...dateOrNull, description: 'when the first of them failed' },
    last: dateOrNull,
    workers: { type: 'integer', description: 'number of workers, counted up to 1,000' },
    badInput: {
      type: 'integer',
      description: "tasks that used up their attempts on at least two workers, among the job's first 1,000 failures",
    },
    example: {
      type: 'object',
      required: ['task', 'worker', 'attempt', 'error', 'log', 'tail'],
      properties: {
        task: { type: 'integer' },
        worker: textOrNull,
        attempt: { ...textOrNull, description: 'null if nothing ran' },
        error: { ...textOrNull, description: 'the last line of stderr, unchanged' },
        log: { ...textOrNull, description: 'key of the log; null if nothing was written' },
        tail: { type: 'array', items: { type: 'string' }, description: 'the last lines of the log, up to ten' },
      },
    },
  },
};

/** Characters shown of a set of tasks; `--json` has all of it. */
const SET_SHOWN = 120;

/** `claims-...: 21 of 2,000 tasks failed for good, for 3 causes` */
function headline(view: JobView, causes: readonly Cause[]): string {
  const steps = new Set(causes.map(({ step }) => step));
  const total = stepTotals(view).reduce(
    (sum, size, index) => (steps.has(view.record.spec.steps[index]?.name ?? '') ? sum + size : sum),
    0,
  );
  const failed = causes.reduce((sum, { tasks }) => sum + tasks.count, 0);
  const skipped = causes.reduce((sum, cause) => sum + cause.skipped.count, 0);
  const counting = causes.filter(({ tasks }) => tasks.count > 0).length;
  const why = counting === 0 ? '' : `, for ${formatMany(counting, 'cause')}`;
  const without = skipped === 0 ? '' : `; ${formatCount(skipped)} more ${skipped === 1 ? 'is' : 'are'} skipped`;
  return `${view.record.job}: ${formatCount(failed)} of ${formatMany(total, 'task')} failed for good${why}${without}`;
}

const BAD_INPUT = {
  title: 'bad input',
  value: ({ badInput }: Cause) => (badInput === 0 ? '' : formatCount(badInput)),
  align: 'right',
} as const;

/** One line per cause. */
function causesTable(ctx: Context, causes: readonly Cause[]): Promise<string> {
  return renderTable(ctx, causes, [
    { title: 'cause', value: ({ id }) => id },
    { title: 'step', value: ({ step }) => step },
    { title: 'exit', value: ({ exitCode }) => String(exitCode ?? ''), align: 'right' },
    { title: 'reason', value: ({ reason }) => reason },
    { title: 'tasks', value: countText, align: 'right', tint: ({ tasks }) => (tasks.count > 0 ? 'bad' : 'faint') },
    ...(causes.some(({ badInput }) => badInput > 0) ? [BAD_INPUT] : []),
    { title: 'since', value: ({ first }) => (first === null ? '' : formatDistance(first - ctx.clock.now())) },
    { title: 'error', value: errorText },
  ]);
}

function countText({ tasks, skipped }: Cause): string {
  if (skipped.count === 0) return formatCount(tasks.count);
  const without = `${formatCount(skipped.count)} skipped`;
  return tasks.count === 0 ? without : `${formatCount(tasks.count)} + ${without}`;
}

/** For a single task, the original line says more. */
function errorText({ tasks, skipped, error, example }: Cause): string {
  return (tasks.count + skipped.count === 1 ? example.error : error) ?? '';
}

/** Details of one cause. */
function causeText(
  cause: Cause,
  example: CauseExample,
  { zone, now }: { readonly zone: string; readonly now: number },
): string {
  const { id, step, exitCode, reason, error, tasks, skipped, first, last, workers, badInput } = cause;
  const instant = (at: number | null): string => (at === null ? 'unknown' : formatInstant(at, zone, now));
  const facts: readonly (readonly [string, string | null])[] = [
    ['cause', id],
    ['step', step],
    ['reason', exitCode === null ? reason : `${reason} (exit code ${exitCode})`],
    ['error', error ?? 'nothing on stderr'],
    ['tasks', tasks.count === 0 ? 'none' : `${formatCount(tasks.count)}: ${shown(step, String(tasks))}`],
    ['skipped', skipped.count === 0 ? null : `${formatCount(skipped.count)}: ${shown(step, String(skipped))}`],
    ['first', instant(first)],
    ['last', instant(last)],
    ['input', badInput === 0 ? null : `bad: ${formatMany(badInput, 'task')} failed on at least two workers`],
    ['workers', workers === 1 ? (example.worker ?? '1') : formatCount(workers)],
    ['example', `${step}/${example.task}${example.attempt === null ? '' : `, attempt ${example.attempt}`}`],
    ['log', example.log ?? 'it wrote nothing to stderr'],
  ];
  const lines = facts.flatMap(([name, value]) => (value === null ? [] : [`${name.padEnd(9)}${value}`]));
  return [
    ...lines,
    ...(example.tail.length === 0 ? [] : ['', ...example.tail.map((line) => `    ${oneLine(line)}`)]),
  ].join('\n');
}

function shown(step: string, set: string): string {
  return set.length <= SET_SHOWN
    ? `${step}/${set}`
    : `${step}/${set.slice(0, set.lastIndexOf(',', SET_SHOWN))},... (all: --json)`;
}

/** The possible next commands, with existing ids; `room` in columns. */
function nextCommands(view: JobView, causes: readonly Cause[], one: boolean, room: number): string {
  const { job } = view.record;
  const [first] = causes;
  if (first === undefined) return '';
  const task = `${first.step}/${first.example.task}`;
  const cause = `${job} --cause ${first.id}`;
  const next: readonly (readonly [string, string])[] = [
    ...(one ? [] : [[`batchctl failures ${cause}`, 'details of one of them'] as const]),
    [`batchctl logs ${job} ${task}`, 'output of a task'],
    [`batchctl reproduce ${job} ${task} --run`, 'run one here'],
    ...(first.tasks.count === 0
      ? [[`batchctl skip ${cause} --undo`, 'include them again'] as const]
      : ([
          [`batchctl retry ${cause}`, 'run them again; with a corrected program: --with JOBFILE'],
          [`batchctl skip ${cause} --reason TEXT`, 'skip them'],
        ] as const)),
  ];
  return actLines(
    next.map(([command, remark]) => ({ command, remark })),
    room,
  ).join('\n');
}

/** A cause as in `--json`. */
function causeDocument(job: string, cause: Cause, example: CauseExample): unknown {
  const { id, step, exitCode, reason, error, tasks, skipped, first, last, workers, badInput } = cause;
  return {
    ...{ job, cause: id, step, exitCode, reason, error, count: tasks.count, tasks: String(tasks) },
    ...{ skippedCount: skipped.count, skipped: String(skipped), first: iso(first), last: iso(last) },
    ...{ workers, badInput, example },
  };
}

const iso = (instant: number | null): string | null => (instant === null ? null : new Date(instant).toISOString());
