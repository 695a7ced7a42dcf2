import type { FailureCause } from '../../model/answers/failures.ts';
import { type FailuresEvent, failures } from '../../verbs/failures.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { formatCount, formatDistance, formatInstant, formatMany } from '../format.ts';
import { actLines } from '../mend-lines.ts';
import { type Progress, startProgress } from '../progress.ts';
import { print, renderTable } from '../render.ts';
import { oneLine } from '../terminal-text.ts';
import { type Showing, verbCommand } from '../verb-command.ts';

export function failuresCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, failures, {
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
    show: (_, options) => showing(ctx, options.cause !== undefined),
  });
}

type Found = Extract<FailuresEvent, { readonly event: 'found' }>;

/** `one`: a single cause was requested and is shown in detail. */
function showing(ctx: Context, one: boolean): Showing<AsyncIterable<FailureCause>, FailuresEvent> {
  let progress: Progress | null = null;
  let found: Found | null = null;
  return {
    async event(event) {
      if (event.event === 'found') {
        found = event;
        progress?.done();
        progress = null;
      } else {
        progress ??= await startProgress(ctx, 'reading failures');
        progress.update(event.failures, null);
      }
    },
    async answer(rows) {
      if (ctx.flags.json) {
        for await (const cause of rows) await print(ctx, `${JSON.stringify(cause)}\n`);
        return;
      }
      const causes: FailureCause[] = [];
      for await (const cause of rows) causes.push(cause);
      await show(ctx, found, causes, one);
    },
    close: () => progress?.failed(),
  };
}

async function show(ctx: Context, found: Found | null, causes: readonly FailureCause[], one: boolean): Promise<void> {
  const [first] = causes;
  if (first === undefined) return ctx.notice(`no task of ${found?.job} has failed for good`);
  if (one) {
    const zone = await ctx.zone();
    for (const cause of causes) await print(ctx, `${causeText(cause, { zone, now: ctx.clock.now() })}\n`);
  } else {
    await print(ctx, `${headline(first.job, found?.tasks ?? 0, causes)}\n\n${await causesTable(ctx, causes)}\n`);
  }
  const { isTTY, columns } = ctx.io.stderr;
  const room = isTTY === true ? (columns ?? 80) : Number.POSITIVE_INFINITY;
  ctx.notice(`\n${nextCommands(first, one, room)}`);
}

/** Characters shown of a set of tasks; `--json` has all of it. */
const SET_SHOWN = 120;

/** `claims-...: 21 of 2,000 tasks failed for good, for 3 causes` */
function headline(job: string, tasks: number, causes: readonly FailureCause[]): string {
  const failed = causes.reduce((sum, { count }) => sum + count, 0);
  const skipped = causes.reduce((sum, { skippedCount }) => sum + skippedCount, 0);
  const counting = causes.filter(({ count }) => count > 0).length;
  const why = counting === 0 ? '' : `, for ${formatMany(counting, 'cause')}`;
  const without = skipped === 0 ? '' : `; ${formatCount(skipped)} more ${skipped === 1 ? 'is' : 'are'} skipped`;
  return `${job}: ${formatCount(failed)} of ${formatMany(tasks, 'task')} failed for good${why}${without}`;
}

const BAD_INPUT = {
  title: 'bad input',
  value: ({ badInput }: FailureCause) => (badInput === 0 ? '' : formatCount(badInput)),
  align: 'right',
} as const;

/** One line per cause. */
function causesTable(ctx: Context, causes: readonly FailureCause[]): Promise<string> {
  return renderTable(ctx, causes, [
    { title: 'cause', value: ({ cause }) => cause, whole: true },
    { title: 'step', value: ({ step }) => step, whole: true },
    { title: 'exit', value: ({ exitCode }) => String(exitCode ?? ''), align: 'right' },
    { title: 'reason', value: ({ reason }) => reason },
    { title: 'tasks', value: countText, align: 'right', tint: ({ count }) => (count > 0 ? 'bad' : 'faint') },
    ...(causes.some(({ badInput }) => badInput > 0) ? [BAD_INPUT] : []),
    {
      title: 'since',
      value: ({ first }) => (first === null ? '' : formatDistance(Date.parse(first) - ctx.clock.now())),
      rank: 1,
    },
    { title: 'error', value: errorText },
  ]);
}

function countText({ count, skippedCount }: FailureCause): string {
  if (skippedCount === 0) return formatCount(count);
  const without = `${formatCount(skippedCount)} skipped`;
  return count === 0 ? without : `${formatCount(count)} + ${without}`;
}

/** For a single task, the original line says more. */
function errorText({ count, skippedCount, error, example }: FailureCause): string {
  return (count + skippedCount === 1 ? example.error : error) ?? '';
}

/** Details of one cause. */
function causeText(of: FailureCause, { zone, now }: { readonly zone: string; readonly now: number }): string {
  const { step, exitCode, reason, error, first, last, workers, badInput, example } = of;
  const instant = (at: string | null): string => (at === null ? 'unknown' : formatInstant(Date.parse(at), zone, now));
  const facts: readonly (readonly [string, string | null])[] = [
    ['cause', of.cause],
    ['step', step],
    ['reason', exitCode === null ? reason : `${reason} (exit code ${exitCode})`],
    ['error', error ?? 'nothing on stderr'],
    ['tasks', of.count === 0 ? 'none' : `${formatCount(of.count)}: ${shown(step, of.tasks)}`],
    ['skipped', of.skippedCount === 0 ? null : `${formatCount(of.skippedCount)}: ${shown(step, of.skipped)}`],
    ['first', instant(first)],
    ['last', instant(last)],
    ['input', badInput === 0 ? null : `bad: ${formatMany(badInput, 'task')} failed on at least two workers`],
    ['workers', workers === 1 ? (example.worker ?? '1') : formatCount(workers)],
    ['example', exampleText(step, example)],
    ['log', example.log ?? 'it wrote nothing to stderr'],
  ];
  const lines = facts.flatMap(([name, value]) => (value === null ? [] : [`${name.padEnd(9)}${value}`]));
  return [
    ...lines,
    ...(example.tail.length === 0 ? [] : ['', ...example.tail.map((line) => `    ${oneLine(line)}`)]),
  ].join('\n');
}

function exampleText(step: string, { task, input, attempt }: FailureCause['example']): string {
  const of = input === null ? '' : ` of ${oneLine(input)}`;
  return `${step}/${task}${of}${attempt === null ? '' : `, attempt ${attempt}`}`;
}

function shown(step: string, set: string): string {
  return set.length <= SET_SHOWN
    ? `${step}/${set}`
    : `${step}/${set.slice(0, set.lastIndexOf(',', SET_SHOWN))},... (all: --json)`;
}

/** Commands to run next, with ids of `first`. `room` is in columns. */
function nextCommands(first: FailureCause, one: boolean, room: number): string {
  const { job, count } = first;
  const task = `${first.step}/${first.example.task}`;
  const cause = `${job} --cause ${first.cause}`;
  const next: readonly (readonly [string, string])[] = [
    ...(one ? [] : [[`batchctl failures ${cause}`, 'details of one of them'] as const]),
    [`batchctl logs ${job} ${task}`, 'output of a task'],
    [`batchctl reproduce ${job} ${task} --run`, 'run one here'],
    ...(count === 0
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
