import type { ListedJob } from '../../model/answers/jobs.ts';
import { jobs } from '../../verbs/jobs.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { formatCount, formatInstant } from '../format.ts';
import { answerList } from '../render.ts';
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
      exitCodes: [[0, 'also if there are none']],
      related: ['status', 'tasks', 'submit'],
    },
    show: () => ({ answer: (rows) => show(ctx, rows) }),
  });
}

async function show(ctx: Context, found: AsyncIterable<ListedJob>): Promise<void> {
  const zone = await ctx.zone();
  const holed: string[] = [];
  await answerList<ListedJob>(ctx, {
    rows: noting(found, holed),
    json: (job) => job,
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
  const [first] = holed;
  if (first === undefined) return;
  const which = holed.length === 1 ? `the journal of job ${first} lacks` : `the journals of ${holed.length} jobs lack`;
  ctx.warn(`${which} an entry in the middle; nothing is decided until it is restored`);
  ctx.warn(`batchctl history ${first} shows which entry is missing and what follows it`);
}

/** Passes the rows through and adds the jobs whose journals lack an entry to `holed`. */
async function* noting(rows: AsyncIterable<ListedJob>, holed: string[]): AsyncIterable<ListedJob> {
  for await (const row of rows) {
    if (row.journalHole) holed.push(row.job);
    yield row;
  }
}

function stateText({ state, reason, pruned, rehearsal, journalHole }: ListedJob): string {
  const why = reason === null ? '' : ` (${reason})`;
  const lacks = journalHole ? `, journal entry ${journalHole.missing} missing` : '';
  return `${state}${why}${pruned ? ', pruned' : ''}${rehearsal ? ', a rehearsal' : ''}${lacks}`;
}
