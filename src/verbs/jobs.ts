import * as v from 'valibot';
import { isBatchctlError } from '../errors.ts';
import { findGap } from '../jobs/journal.ts';
import { mapAhead } from '../lib/parallel.ts';
import { parseDuration, parsePairs } from '../lib/units.ts';
import type { ListedJob } from '../model/answers/jobs.ts';
import { isClosed, JOB_STATES } from '../model/job.ts';
import { isRehearsal } from '../model/rehearsal.ts';
import type { JobFilter, LedgerJob } from '../ports/ledger.ts';
import { flag, listVerb, oneOf, option, parsedText, reading, text, type VerbContext } from './verb.ts';

/** The journals of this many closed jobs are listed, newest first; those of open jobs always are. */
const MAX_CLOSED_CHECKED = 100;
/** Journals listed concurrently. */
const AT_ONCE = 32;

/** Lists jobs, newest first. Throws `usage`. */
export const jobs = listVerb({
  name: 'jobs',
  ...reading('/jobs'),
  input: v.strictObject({
    state: option('--state <state>', 'only jobs in this state', oneOf(JOB_STATES)),
    name: option('--name <name>', 'only jobs with this name', text),
    label: option('--label <name=value>', 'only jobs with this label', v.array(text), []),
    since: option('--since <duration>', 'only jobs accepted within this time: 7d', parsedText(parseDuration)),
    mine: option('--mine', 'only jobs that I submitted from here', flag, false),
  }),
  answer: async () => (await import('../model/answers/jobs.ts')).LISTED_JOB,
  async run(context, { state, name, label, since, mine }) {
    const platform = await context.platform();
    const filter: JobFilter = {
      ...(state === undefined ? {} : { states: [state] }),
      ...(name === undefined ? {} : { name }),
      ...(since === undefined ? {} : { since: context.clock.now() - since * 1_000 }),
      ...(mine ? { createdBy: platform.who } : {}),
      labels: parsePairs('--label', label),
    };
    return rowsOf(context, await (await platform.ledger()).jobs(filter));
  },
});

/**
 * The rows, with any gap in their jobs' journals. If a journal can't be listed, no further journals are, but the rows
 * continue: they need only the ledger.
 */
function rowsOf(context: VerbContext, rows: readonly LedgerJob[]): AsyncIterable<ListedJob> {
  const closed = rows.filter(({ state }) => isClosed(state));
  const unchecked = new Set(closed.slice(MAX_CLOSED_CHECKED));
  let failed = false;
  return mapAhead(rows, AT_ONCE, async (row): Promise<ListedJob> => {
    if (failed || unchecked.has(row)) return listed(row);
    try {
      const { store } = await context.platform();
      return { ...listed(row), journalHole: await findGap(store, row.job) };
    } catch (error) {
      if (!isBatchctlError(error)) throw error;
      if (!failed) context.warn(`journals were not checked for missing entries: ${error.message}`);
      failed = true;
      return listed(row);
    }
  });
}

function listed(row: LedgerJob): ListedJob {
  const { job, name, runKey, state, reason, round, createdBy, labels, steps } = row;
  return {
    job,
    name,
    runKey,
    state,
    reason,
    round,
    createdBy,
    labels,
    createdAt: new Date(row.createdAt).toISOString(),
    closedAt: row.closedAt === null ? null : new Date(row.closedAt).toISOString(),
    tasks: steps.reduce((sum, { total }) => sum + total, 0),
    pruned: row.pruned === true,
    rehearsal: isRehearsal(steps),
  };
}
