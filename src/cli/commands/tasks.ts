import { formatDuration } from '../../lib/units.ts';
import type { ListedTask } from '../../model/answers/tasks.ts';
import { TASKS_LISTED, tasks } from '../../verbs/tasks.ts';
import type { CommandDefinition, RawInput } from '../command.ts';
import type { Context } from '../context.ts';
import { answerList } from '../render.ts';
import { verbCommand } from '../verb-command.ts';

export function tasksCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, tasks, {
    help: {
      about: 'Lists tasks by step and number, one per line; with --task, one attempt per line.',
      examples: ['batchctl tasks last --state failed', 'batchctl tasks last --task price/17'],
      exitCodes: [
        [0, 'also if there are none'],
        [4, 'no such job, step or task'],
      ],
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
  const count = await answerList<ListedTask>(ctx, {
    rows: each(found, (row) => {
      seen.last = row;
    }),
    json: (row) => row,
    columns: [
      { title: 'task', value: (row) => `${row.step}/${row.task}`, whole: true },
      { title: 'state', value: (row) => row.state },
      { title: 'attempts', value: ({ attempts }) => String(attempts ?? ''), align: 'right' },
      { title: 'took', value: took, align: 'right' },
      ...ENDED,
    ],
    empty: `no tasks${state === undefined ? ' have started' : ` are ${state}`}`,
  });
  const { last } = seen;
  if (last !== null && count === Number(limit ?? TASKS_LISTED)) ctx.notice(`more: --after ${last.step}/${last.task}`);
}

async function showAttempts(ctx: Context, found: AsyncIterable<ListedTask>, task: string): Promise<void> {
  let isBad = false;
  await answerList<ListedTask>(ctx, {
    rows: each(found, ({ badInput }) => {
      isBad ||= badInput === true;
    }),
    json: (row) => row,
    columns: [
      { title: 'attempt', value: ({ attempt }) => attempt ?? '', whole: true },
      { title: 'number', value: ({ number }) => String(number ?? ''), align: 'right' },
      { title: 'round', value: ({ round }) => String(round), align: 'right' },
      { title: 'outcome', value: ({ state }) => state },
      { title: 'took', value: took, align: 'right' },
      ...ENDED,
    ],
    empty: `no attempt of ${task.replace(/\/0+(?=\d)/, '/')} has started`,
  });
  if (isBad) ctx.notice(`bad input: it used up its attempts on at least two workers`);
}

/** Passes the rows through and calls `onRow` with each first. */
async function* each(
  rows: AsyncIterable<ListedTask>,
  onRow: (row: ListedTask) => void,
): AsyncGenerator<ListedTask, void> {
  for await (const row of rows) {
    onRow(row);
    yield row;
  }
}

const ENDED = [
  { title: 'exit', value: ({ exitCode }: ListedTask) => String(exitCode ?? ''), align: 'right' },
  { title: 'reason', value: ({ reason }: ListedTask) => reason ?? '' },
  { title: 'worker', value: ({ worker }: ListedTask) => worker ?? '', whole: true, rank: 1 },
  { title: 'error', value: ({ error }: ListedTask) => error ?? '' },
] as const;

function took({ startedAt, endedAt }: ListedTask): string {
  return startedAt === null || endedAt === null
    ? ''
    : formatDuration((Date.parse(endedAt) - Date.parse(startedAt)) / 1_000);
}
