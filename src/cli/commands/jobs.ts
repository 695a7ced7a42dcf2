import type { HistoryLine, ListedJob } from '../../model/answers/jobs.ts';
import { history } from '../../verbs/history.ts';
import { jobs } from '../../verbs/jobs.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { formatCount, formatInstant, localizeInstants } from '../format.ts';
import { columns, columnsOf } from '../help.ts';
import { print, printList } from '../render.ts';
import { oneLine } from '../terminal-text.ts';
import { verbCommand } from '../verb-command.ts';

export function jobsCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, jobs, {
    help: {
      about: 'The newest job comes first.',
      examples: [
        'batchctl jobs',
        'batchctl jobs --state failed --since 7d',
        'batchctl jobs --label team=finance --json',
      ],
      exitCodes: { 0: 'also if there are none' },
      related: ['status', 'tasks', 'submit'],
    },
    show: () => ({ answer: (rows) => showJobs(ctx, rows) }),
  });
}

async function showJobs(ctx: Context, found: AsyncIterable<ListedJob>): Promise<void> {
  const zone = await ctx.zone();
  const withGap: string[] = [];
  await printList<ListedJob>(ctx, {
    rows: found,
    each: ({ job, journalHole }) => void (journalHole && withGap.push(job)),
    columns: [
      { title: 'job', value: ({ job }) => job, whole: true },
      { title: 'state', value: stateText },
      { title: 'tasks', value: ({ tasks }) => formatCount(tasks), align: 'right' },
      {
        title: 'accepted',
        value: ({ createdAt }) => formatInstant(Date.parse(createdAt), zone, ctx.clock.now()),
        min: 20,
        rank: 1,
      },
      { title: 'run key', value: ({ runKey }) => runKey ?? '', whole: true },
      { title: 'by', value: ({ createdBy }) => createdBy, rank: 2 },
    ],
    empty: 'no jobs',
  });
  const [first] = withGap;
  if (first === undefined) return;
  const which =
    withGap.length === 1 ? `the journal of job ${first} has` : `the journals of ${withGap.length} jobs have`;
  ctx.warn(`${which} a gap: an entry is missing; nothing is decided until it is restored`);
  ctx.warn(`batchctl history ${first} shows which entry is missing and what follows it`);
}

function stateText({ state, reason, pruned, rehearsal, journalHole }: ListedJob): string {
  const why = reason === null ? '' : ` (${reason})`;
  const gap = journalHole ? `, journal entry ${journalHole.missing} missing` : '';
  return `${state}${why}${pruned ? ', pruned' : ''}${rehearsal ? ', a rehearsal' : ''}${gap}`;
}

export function historyCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, history, {
    help: {
      about:
        'Shows who decided what about a job, and when: its acceptance and its journal, oldest first. `prune` keeps it.',
      examples: ['batchctl history last', 'batchctl history key:month-end-2026-11 --json'],
      exitCodes: { 0: true, 4: 'no such job' },
      related: ['status', 'failures', 'verify', 'report'],
    },
    show: () => ({ answer: (lines) => showHistory(ctx, lines) }),
  });
}

async function showHistory(ctx: Context, lines: AsyncIterable<HistoryLine>): Promise<void> {
  const zone = await ctx.zone();
  if (ctx.io.stdout.isTTY === true && !ctx.flags.json) {
    const rows: HistoryLine[] = [];
    for await (const line of lines) rows.push(line);
    return print(ctx, wrapped(ctx, rows, zone));
  }
  await printList<HistoryLine>(ctx, {
    rows: lines,
    columns: [
      { title: 'when', value: ({ when }) => formatInstant(Date.parse(when), zone), min: 20 },
      { title: 'who', value: ({ who }) => who },
      { title: 'what', value: ({ text }) => localizeInstants(text, zone), min: 30 },
    ],
    empty: 'nothing',
  });
}

/** On a terminal the text is shown in full, on as many lines as it needs. */
function wrapped(ctx: Context, rows: readonly HistoryLine[], zone: string): string {
  const most = Math.max(...rows.map(({ who }) => who.length));
  const terms = rows.map(({ when, who, text }): readonly [string, string] => [
    `${formatInstant(Date.parse(when), zone)}  ${who.padEnd(most)}`,
    oneLine(localizeInstants(text, zone)),
  ]);
  return `${columns(terms, columnsOf(ctx.io.stdout))}\n`;
}
