import { isOurs } from '../../errors.ts';
import { holeIn } from '../../jobs/journal.ts';
import { ahead } from '../../lib/ahead.ts';
import { parseDuration } from '../../lib/units.ts';
import { isClosed } from '../../model/job.ts';
import type { JournalHole } from '../../model/journal.ts';
import { isRehearsal } from '../../model/rehearsal.ts';
import type { JobFilter, LedgerJob } from '../../ports/ledger.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { type CommandDefinition, choice, defineCommand, parsed, repeated } from '../command.ts';
import type { Context } from '../context.ts';
import { formatCount, formatInstant } from '../format.ts';
import { answerList } from '../render.ts';
import { pairs } from '../submission-flags.ts';

const STATES = ['submitted', 'running', 'paused', 'succeeded', 'failed', 'cancelled'] as const;
const textOrNull = { type: ['string', 'null'] };
/** The journals of so many closed jobs are listed, the newest first; those of open jobs always. */
const CLOSED_LOOKED_AT = 100;
/** Journals that are listed at once. */
const AT_ONCE = 32;

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
        journalHole: {
          type: ['object', 'null'],
          required: ['missing', 'last'],
          properties: { missing: { type: 'integer' }, last: { type: 'integer' } },
          description: `as in status; left out of closed jobs after the newest ${CLOSED_LOOKED_AT}`,
        },
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
  const known = await (await platform.ledger()).jobs(filter);
  const holed: string[] = [];
  await answerList<Row>(ctx, {
    rows: withHoles(ctx, platform.store, known, holed),
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
  const [first] = holed;
  if (first === undefined) return;
  const which = holed.length === 1 ? `the journal of job ${first} lacks` : `the journals of ${holed.length} jobs lack`;
  ctx.warn(`${which} an entry, and later ones are there: nothing is decided until it is restored`);
  ctx.warn(`batchctl history ${first} says which entry is missing, and what comes after it`);
}

/** `hole`: undefined where its journal wasn't looked at. */
interface Row extends LedgerJob {
  readonly hole?: JournalHole | null;
}

/**
 * The rows, each with the hole in its job's journal. One that can't be listed ends the looking, and not the list, which the
 * ledger alone can give. `holed` gets the jobs that have one.
 */
function withHoles(ctx: Context, store: ObjectStore, rows: readonly LedgerJob[], holed: string[]): AsyncIterable<Row> {
  const closed = rows.filter(({ state }) => isClosed(state));
  const passedOver = new Set(closed.slice(CLOSED_LOOKED_AT));
  let failed = false;
  return ahead(rows, AT_ONCE, async (row): Promise<Row> => {
    if (failed || passedOver.has(row)) return row;
    try {
      const hole = await holeIn(store, row.job);
      if (hole !== null) holed.push(row.job);
      return { ...row, hole };
    } catch (error) {
      if (!isOurs(error)) throw error;
      if (!failed) ctx.warn(`journals were not looked at for missing entries: ${error.message}`);
      failed = true;
      return row;
    }
  });
}

function documentOf(job: Row): unknown {
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
    ...(job.hole !== undefined && { journalHole: job.hole }),
  };
}

function stateText({ state, reason, pruned, steps, hole }: Row): string {
  const why = reason === null ? '' : ` (${reason})`;
  const lacks = hole ? `, journal entry ${hole.missing} missing` : '';
  return `${state}${why}${pruned === true ? ', pruned' : ''}${isRehearsal(steps) ? ', a rehearsal' : ''}${lacks}`;
}

const tasksOf = ({ steps }: LedgerJob): number => steps.reduce((sum, { total }) => sum + total, 0);
