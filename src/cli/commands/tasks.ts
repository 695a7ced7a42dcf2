import { ownValue } from '../../lib/json.ts';
import { formatDuration } from '../../lib/units.ts';
import type { AttemptLog, FailureCause, ListedTask } from '../../model/answers/tasks.ts';
import { paramsText, placeText } from '../../model/part.ts';
import { taskOfLatest } from '../../verbs/job.ts';
import { logBytes, logs } from '../../verbs/logs.ts';
import { type FailuresEvent, failures, TASKS_LISTED, tasks } from '../../verbs/tasks.ts';
import type { CommandDefinition, RawInput } from '../command.ts';
import type { Context } from '../context.ts';
import { fixLines, fixStepLines } from '../finding-text.ts';
import { formatCount, formatDistance, formatInstant, formatMany, paramNamesOf, shouldShowInputs } from '../format.ts';
import { columnsOf } from '../help.ts';
import { lazyProgress } from '../progress.ts';
import { type Column, print, printList, renderTable } from '../render.ts';
import { ControlEscaper, oneLine } from '../terminal-text.ts';
import { type Presenter, verbCommand } from '../verb-command.ts';

export function tasksCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, tasks, {
    help: {
      about: 'Lists tasks by step and number, one per line; with --task, one attempt per line.',
      examples: [
        'batchctl tasks last --state failed',
        'batchctl tasks last --input 2026-11/0042.mp4',
        'batchctl tasks last --param lr=0.1 --param seed=3',
        'batchctl tasks last --task price/17',
      ],
      exitCodes: { 0: 'also if there are none', 4: 'no such job, step or task' },
      related: ['failures', 'logs', 'reproduce', 'retry', 'kill', 'status'],
    },
    show: (_, options) => ({
      answer: (rows) =>
        typeof options.task === 'string' ? showAttempts(ctx, rows, options.task) : showTasks(ctx, rows, options),
    }),
  });
}

async function showTasks(ctx: Context, found: AsyncIterable<ListedTask>, { state, limit }: RawInput): Promise<void> {
  const seen: { last: ListedTask | null } = { last: null };
  const count = await printList<ListedTask>(ctx, {
    rows: found,
    each: (row) => {
      seen.last = row;
    },
    columns: (rows) => [
      { title: 'task', value: (row) => `${row.step}/${row.task}`, whole: true },
      ...(shouldShowInputs(rows) ? [INPUT] : []),
      ...(rows.some(({ place }) => place !== null) ? [PART] : []),
      ...paramNamesOf(rows).map(paramColumn),
      { title: 'state', value: (row) => row.state },
      { title: 'attempts', value: ({ attempts }) => String(attempts ?? ''), align: 'right' },
      { title: 'took', value: durationText, align: 'right' },
      ...ENDED,
    ],
    empty: `no tasks${state === undefined ? ' have started' : ` are ${state}`}`,
  });
  const { last } = seen;
  if (last !== null && count === Number(limit ?? TASKS_LISTED)) ctx.notice(`more: --after ${last.step}/${last.task}`);
}

function showOrigin(ctx: Context, { params, ...of }: Pick<ListedTask, 'input' | 'place' | 'params'>): void {
  const input = originText({ ...of, params: null });
  if (input !== null) ctx.notice(`input: ${input}`);
  if (params !== null) ctx.notice(`parameters: ${oneLine(paramsText(params))}`);
}

/** The columns that every list of tasks has. */
const TASK_TITLES: ReadonlySet<string> = new Set([
  'task',
  'input',
  'part',
  'state',
  'attempts',
  'took',
  'exit',
  'reason',
  'worker',
  'error',
]);

/** Where the terminal is too narrow for all, the parameters that the split names last are left out first. */
function paramColumn(name: string, at: number): Column<ListedTask> {
  return {
    title: TASK_TITLES.has(name) ? `param:${name}` : name,
    value: ({ params }) => ownValue(params ?? {}, name) ?? '',
    rank: 1 + at / (at + 1),
  };
}

async function showAttempts(ctx: Context, found: AsyncIterable<ListedTask>, task: string): Promise<void> {
  let isBad = false;
  let of: Pick<ListedTask, 'input' | 'place' | 'params'> | null = null;
  await printList<ListedTask>(ctx, {
    rows: found,
    each: ({ badInput, ...origin }) => {
      isBad ||= badInput === true;
      of = origin;
    },
    columns: [
      { title: 'attempt', value: ({ attempt }) => attempt ?? '', whole: true },
      { title: 'number', value: ({ number }) => String(number ?? ''), align: 'right' },
      { title: 'round', value: ({ round }) => String(round), align: 'right' },
      { title: 'outcome', value: ({ state }) => state },
      { title: 'took', value: durationText, align: 'right' },
      ...ENDED,
    ],
    empty: `no attempt of ${task.replace(/\/0+(?=\d)/, '/')} has started`,
  });
  if (of !== null) showOrigin(ctx, of);
  if (isBad) ctx.notice('bad input: it used up its attempts on at least two workers');
}

const PART = {
  title: 'part',
  value: ({ place }: ListedTask) => (place === null ? '' : placeText(place)),
  // `records …` would say nothing.
  whole: true,
  rank: 1,
} as const;

const INPUT = { title: 'input', value: ({ input }: ListedTask) => input ?? '', whole: true } as const;

const ENDED = [
  { title: 'exit', value: ({ exitCode }: ListedTask) => String(exitCode ?? ''), align: 'right' },
  { title: 'reason', value: ({ reason }: ListedTask) => reason ?? '' },
  { title: 'worker', value: ({ worker }: ListedTask) => worker ?? '', whole: true, rank: 2 },
  { title: 'error', value: ({ error }: ListedTask) => error ?? '' },
] as const;

function durationText({ startedAt, endedAt }: ListedTask): string {
  return startedAt === null || endedAt === null
    ? ''
    : formatDuration((Date.parse(endedAt) - Date.parse(startedAt)) / 1_000);
}

export function failuresCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, failures, {
    help: {
      about:
        'Shows why tasks failed for good, as of now. Failures are grouped by step, exit code, reason and last line of stderr, ignoring numbers, ids, paths and times. A cause has the same id in every job. Also works while the job is running.',
      examples: ['batchctl failures', 'batchctl failures last --cause qip7w6', 'batchctl failures last --json'],
      exitCodes: { 0: 'also if nothing failed for good', 4: 'no such job or cause' },
      related: ['retry', 'skip', 'reproduce', 'logs', 'tasks', 'why'],
    },
    show: (_, options) => failuresPresenter(ctx, options.cause !== undefined),
  });
}

type Found = Extract<FailuresEvent, { readonly event: 'found' }>;

/** `one`: a single cause was requested and is shown in detail. */
function failuresPresenter(ctx: Context, one: boolean): Presenter<AsyncIterable<FailureCause>, FailuresEvent> {
  const progress = lazyProgress(ctx, 'reading failures');
  let found: Found | null = null;
  return {
    async event(event) {
      if (event.event !== 'found') return progress.update(event.failures, null);
      found = event;
      progress.done();
    },
    async answer(rows) {
      if (ctx.flags.json) {
        for await (const cause of rows) await print(ctx, `${JSON.stringify(cause)}\n`);
        return;
      }
      const causes: FailureCause[] = [];
      for await (const cause of rows) causes.push(cause);
      await showFailures(ctx, found, causes, one);
    },
    close: progress.failed,
  };
}

async function showFailures(
  ctx: Context,
  found: Found | null,
  causes: readonly FailureCause[],
  one: boolean,
): Promise<void> {
  const [first] = causes;
  if (first === undefined) return ctx.notice(`no task of ${found?.job} has failed for good`);
  if (one) {
    const zone = await ctx.zone();
    for (const cause of causes) await print(ctx, `${causeText(cause, { zone, now: ctx.clock.now() })}\n`);
  } else {
    await print(
      ctx,
      `${headline(first.job, found?.tasks ?? 0, causes)}\n\n${await causesTable(ctx, causes)}\n${facetLines(causes)}`,
    );
  }
  const { stderr } = ctx.io;
  const room = stderr.isTTY === true ? columnsOf(stderr) : Number.POSITIVE_INFINITY;
  ctx.notice(`\n${nextCommands(first, one, room)}`);
}

/** `qip7w6: all 14 have seed=2; of 286 others 12 do`, after an empty line; nothing without facets. */
function facetLines(causes: readonly FailureCause[]): string {
  const lines = causes.flatMap(({ cause, facets }) => facets.map(({ text }) => `${cause}: ${oneLine(text)}\n`));
  return lines.length === 0 ? '' : `\n${lines.join('')}`;
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
    ...of.facets.map(({ text }) => ['common', oneLine(text)] as const),
    ['example', exampleText(step, example)],
    ['log', example.log ?? 'it wrote nothing to stderr'],
  ];
  const lines = facts.flatMap(([name, value]) => (value === null ? [] : [`${name.padEnd(9)}${value}`]));
  return [
    ...lines,
    ...(example.tail.length === 0 ? [] : ['', ...example.tail.map((line) => `    ${oneLine(line)}`)]),
  ].join('\n');
}

/** `claims.csv, records 101-200`, `lr=0.1, seed=3`; null without input and parameters. */
function originText({ input, place, params }: Pick<ListedTask, 'input' | 'place' | 'params'>): string | null {
  const words = [input, place && placeText(place), params && paramsText(params)].filter((word) => word !== null);
  return words.length === 0 ? null : oneLine(words.join(', '));
}

function exampleText(step: string, { task, attempt, params, ...origin }: FailureCause['example']): string {
  const from = originText({ ...origin, params: null });
  const of = from === null ? '' : ` of ${from}`;
  const having = params === null ? '' : ` with ${oneLine(paramsText(params))}`;
  return `${step}/${task}${of}${having}${attempt === null ? '' : `, attempt ${attempt}`}`;
}

function shown(step: string, set: string): string {
  return set.length <= SET_SHOWN
    ? `${step}/${set}`
    : `${step}/${set.slice(0, set.lastIndexOf(',', SET_SHOWN))},... (all: --json)`;
}

/** Commands to run next, with ids of `first`. `room` is in columns. */
function nextCommands(first: FailureCause, one: boolean, room: number): string {
  const { job, count, fix } = first;
  if (fix !== null && count > 0) return fixLines(fix, room).join('\n');
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
  return fixStepLines(
    next.map(([command, remark]) => ({ command, remark })),
    room,
  ).join('\n');
}

export function logsCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, logs, {
    help: {
      about:
        'Prints what attempts wrote to stderr, each after a line (on stderr) that names the attempt. For a running attempt it shows the tail that its worker uploaded last: every third of a lease, at most every 30 s. Without a job, uses the latest one. --follow of a task continues with its next attempts, and stops when the task is done or has failed for good. --follow of a job shows what its running tasks write, and those that begin later, each line after the name of its task, until the job ends; in a job of more than 10,000 tasks it follows up to 1,000 at a time. Ctrl-C stops following, not the work.',
      examples: [
        'batchctl logs last --failed',
        'batchctl logs last price/17',
        'batchctl logs price/17 -f',
        'batchctl logs last -f',
      ],
      exitCodes: { 0: 'also if nothing was written', 4: 'no such job or task', 130: 'Ctrl-C while following' },
      related: ['failures', 'tasks', 'status', 'retry', 'reproduce'],
    },
    given: taskOfLatest,
    options: { '--raw': 'pass control characters to the terminal; otherwise they are shown as ^[' },
    show: (_, { follow, raw, ...given }) => ({
      async answer(rows) {
        const ofJob = given.task === undefined && taskOfLatest(given).task === undefined;
        if (!ctx.flags.json && follow === true && ofJob) return showLines(ctx, rows, raw === true);
        if (!ctx.flags.json) return showLogs(ctx, rows, { follow: follow === true, raw: raw === true });
        for await (const log of rows) await print(ctx, `${JSON.stringify(log)}\n`);
      },
    }),
  });
}

/** Tasks with an unfinished line that are kept apart, and bytes of such a line. */
const MOST_UNFINISHED = 1_000;
const LONGEST_UNFINISHED = 64 * 1024;

/** Prints the lines of several tasks, each whole and after the name of its task. */
async function showLines(ctx: Context, rows: AsyncIterable<AttemptLog>, raw: boolean): Promise<void> {
  const passes = raw || ctx.io.stdout.isTTY !== true;
  const unfinished = new Map<string, { readonly name: string; readonly bytes: Buffer }>();
  let width = 0;
  const printLines = async (name: string, bytes: Buffer): Promise<void> => {
    width = Math.max(width, name.length);
    const before = Buffer.from(`${name.padEnd(width)} | `);
    const out: Uint8Array[] = [];
    for (let from = 0; from < bytes.length; ) {
      const feed = bytes.indexOf(10, from);
      const line = bytes.subarray(from, feed < 0 ? bytes.length : feed);
      const shown = new ControlEscaper();
      out.push(before, passes ? line : Buffer.from(shown.write(line) + shown.end()), LINE_FEED);
      from = feed < 0 ? bytes.length : feed + 1;
    }
    await print(ctx, Buffer.concat(out));
  };
  const finish = async (attempt: string): Promise<void> => {
    const left = unfinished.get(attempt);
    unfinished.delete(attempt);
    if (left !== undefined) await printLines(left.name, left.bytes);
  };
  for await (const log of rows) {
    const name = `${log.step}/${log.task}`;
    const bytes = Buffer.concat([unfinished.get(log.attempt)?.bytes ?? Buffer.alloc(0), logBytes(log)]);
    unfinished.delete(log.attempt);
    const whole = bytes.length > LONGEST_UNFINISHED ? bytes.length : bytes.lastIndexOf(10) + 1;
    if (whole > 0) await printLines(name, bytes.subarray(0, whole));
    if (whole < bytes.length) unfinished.set(log.attempt, { name, bytes: bytes.subarray(whole) });
    const [oldest] = unfinished.keys();
    if (unfinished.size > MOST_UNFINISHED && oldest !== undefined) await finish(oldest);
  }
  for (const attempt of [...unfinished.keys()]) await finish(attempt);
}

const LINE_FEED = Buffer.from('\n');

async function showLogs(
  ctx: Context,
  rows: AsyncIterable<AttemptLog>,
  { follow, raw }: { readonly follow: boolean; readonly raw: boolean },
): Promise<void> {
  // A file or a pipe gets the bytes unchanged.
  const passes = raw || ctx.io.stdout.isTTY !== true;
  let last: string | null = null;
  let shown = new ControlEscaper();
  for await (const log of rows) {
    const bytes = logBytes(log);
    if (!follow || log.attempt !== last) {
      shown = new ControlEscaper();
      const of = originText(log);
      ctx.notice(`==> ${log.step}/${log.task} ${log.attempt}${of === null ? '' : `, ${of}`} <==`);
    }
    await print(ctx, passes ? bytes : shown.write(bytes));
    last = log.attempt;
    if (follow) continue;
    await print(ctx, shown.end());
    if (bytes.length > 0 && bytes.at(-1) !== 10) await print(ctx, '\n');
  }
  if (last === null && !follow) ctx.notice('no attempt wrote anything to stderr');
}
