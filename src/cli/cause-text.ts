import type { Cause, CauseExample } from '../jobs/failures.ts';
import { stepTotals } from '../jobs/listing.ts';
import type { JobView } from '../model/view.ts';
import type { Context } from './context.ts';
import { formatCount, formatDistance, formatInstant, formatMany } from './format.ts';
import { actLines } from './mend-lines.ts';
import { renderTable } from './render-table.ts';
import { oneLine } from './visible.ts';

/** Characters shown of a set of tasks; `--json` has all of it. */
const SET_SHOWN = 120;

/** `claims-...: 21 of 2,000 tasks failed for good, for 3 causes` */
export function headline(view: JobView, causes: readonly Cause[]): string {
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
export function causesTable(ctx: Context, causes: readonly Cause[]): Promise<string> {
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
export function causeText(
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
export function nextCommands(view: JobView, causes: readonly Cause[], one: boolean, room: number): string {
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
export function causeDocument(job: string, cause: Cause, example: CauseExample): unknown {
  const { id, step, exitCode, reason, error, tasks, skipped, first, last, workers, badInput } = cause;
  return {
    ...{ job, cause: id, step, exitCode, reason, error, count: tasks.count, tasks: String(tasks) },
    ...{ skippedCount: skipped.count, skipped: String(skipped), first: iso(first), last: iso(last) },
    ...{ workers, badInput, example },
  };
}

const iso = (instant: number | null): string | null => (instant === null ? null : new Date(instant).toISOString());
