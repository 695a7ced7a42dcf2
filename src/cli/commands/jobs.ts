import { parseDuration } from '../../lib/units.ts';
import { isRehearsal } from '../../model/rehearsal.ts';
import type { JobFilter, LedgerJob } from '../../ports/ledger.ts';
import { type CommandDefinition, choice, defineCommand, parsed, repeated } from '../command.ts';
import type { Context } from '../context.ts';
import { formatCount, formatInstant } from '../format.ts';
import { answerList } from '../render.ts';
import { pairs } from '../submission-flags.ts';

const STATES = ['submitted', 'running', 'paused', 'succeeded', 'failed', 'cancelled'] as const;
const textOrNull = { type: ['string', 'null'] };

export function jobsCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: {
      '--state <state>': choice('only jobs in this state', STATES),
      '--name <name>': 'only jobs of this name',
      '--label <name=value>': repeated('only jobs with this label'),
      '--since <duration>': parsed('only jobs accepted in the last so long: 7d', parseDuration),
      '--mine': 'only those that I submitted from here',
    },
    writes: false,
    output: {
      type: 'object',
      required: [
        'job',
        'name',
        'runKey',
        'state',
        'reason',
        'round',
        'createdAt',
        'closedAt',
        'createdBy',
        'labels',
        'tasks',
        'pruned',
      ],
      properties: {
        job: { type: 'string' },
        name: { type: 'string' },
        runKey: textOrNull,
        state: { enum: STATES },
        reason: textOrNull,
        round: { type: 'integer' },
        createdAt: { type: 'string', format: 'date-time' },
        closedAt: { ...textOrNull, format: 'date-time' },
        createdBy: { type: 'string' },
        labels: { type: 'object', additionalProperties: { type: 'string' } },
        tasks: { type: 'integer', description: 'of all steps' },
        pruned: { type: 'boolean', description: 'its outputs, parts and logs were removed' },
        rehearsal: { type: 'boolean', description: 'it ran on a sample of its parts' },
      },
    },
    help: {
      about: 'Newest first.',
      examples: [
        'batchctl jobs',
        'batchctl jobs --state failed --since 7d',
        'batchctl jobs --label team=finance --json',
      ],
      exitCodes: [[0, 'also when there is none']],
      related: ['status', 'tasks', 'submit'],
    },
    run: (input) => jobs({ ctx, ...input }),
  });
}

export interface JobsOptions {
  readonly ctx: Context;
  readonly state: (typeof STATES)[number] | undefined;
  readonly name: string | undefined;
  readonly label: readonly string[] | undefined;
  readonly since: number | undefined;
  readonly mine: boolean;
}

/** Lists jobs, newest first. Throws `usage`. */
export async function jobs({ ctx, state, name, label, since, mine }: JobsOptions): Promise<void> {
  const platform = await ctx.platform();
  const labels = pairs('--label', label ?? []);
  const filter: JobFilter = {
    ...(state === undefined ? {} : { states: [state] }),
    ...(name === undefined ? {} : { name }),
    ...(since === undefined ? {} : { since: ctx.clock.now() - since * 1_000 }),
    ...(mine ? { createdBy: platform.who } : {}),
    labels,
  };
  const zone = await ctx.zone();
  await answerList<LedgerJob>(ctx, {
    rows: await (await platform.ledger()).jobs(filter),
    json: documentOf,
    columns: [
      { title: 'job', value: ({ job }) => job, min: 24 },
      { title: 'state', value: stateText },
      { title: 'tasks', value: (job) => formatCount(tasksOf(job)), align: 'right' },
      { title: 'accepted', value: ({ createdAt }) => formatInstant(createdAt, zone, ctx.clock.now()) },
      { title: 'run key', value: ({ runKey }) => runKey ?? '' },
      { title: 'by', value: ({ createdBy }) => createdBy },
    ],
    empty: 'no jobs',
  });
}

function documentOf(job: LedgerJob): unknown {
  return {
    job: job.job,
    name: job.name,
    runKey: job.runKey,
    state: job.state,
    reason: job.reason,
    round: job.round,
    createdAt: new Date(job.createdAt).toISOString(),
    closedAt: job.closedAt === null ? null : new Date(job.closedAt).toISOString(),
    createdBy: job.createdBy,
    labels: job.labels,
    tasks: tasksOf(job),
    pruned: job.pruned === true,
    rehearsal: isRehearsal(job.steps),
  };
}

function stateText({ state, reason, pruned, steps }: LedgerJob): string {
  const why = reason === null ? '' : ` (${reason})`;
  return `${state}${why}${pruned === true ? ', pruned' : ''}${isRehearsal(steps) ? ', a rehearsal' : ''}`;
}

const tasksOf = ({ steps }: LedgerJob): number => steps.reduce((sum, { total }) => sum + total, 0);
