import * as v from 'valibot';
import { BatchctlError, isBatchctlError } from '../errors.ts';
import { findGap } from '../jobs/journal.ts';
import { mapAhead } from '../lib/parallel.ts';
import { parseDuration, parsePairs } from '../lib/units.ts';
import type { ListedJob } from '../model/answers/jobs.ts';
import { isClosed, JOB_STATES } from '../model/job-state.ts';
import type { LedgerJob } from '../model/ledger/records.ts';
import { isRehearsal } from '../model/rehearsal.ts';
import type { JobFilter, Ledger } from '../ports/ledger.ts';
import type { VerbContext } from './context.ts';
import { firstRows, flag, listVerb, oneOf, option, PAGED, parsedText, reading, text } from './verb.ts';

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
    ...PAGED,
  }),
  cursorOf: ({ job }: ListedJob) => job,
  answer: async () => (await import('../model/answers/jobs.ts')).LISTED_JOB,
  async run(context, { state, name, label, since, mine, after, limit }) {
    const platform = await context.platform();
    const filter: JobFilter = {
      ...(state === undefined ? {} : { states: [state] }),
      ...(name === undefined ? {} : { name }),
      ...(since === undefined ? {} : { since: context.clock.now() - since * 1_000 }),
      ...(mine ? { createdBy: platform.who } : {}),
      labels: parsePairs('--label', label),
    };
    const ledger = await platform.ledger();
    if (after !== undefined && (await ledger.job(after)) === null)
      throw new BatchctlError('notFound', `there is no job ${after} to continue after`, { hint: 'batchctl jobs' });
    return rowsOf(context, firstRows(ledgerJobs(ledger, filter, after), limit));
  },
});

/** Rows read from the ledger at once. */
const PAGE_ROWS = 1_000;

/** The ledger's jobs, newest first. */
async function* ledgerJobs(ledger: Ledger, filter: JobFilter, after: string | undefined): AsyncGenerator<LedgerJob> {
  for (let last = after; ; ) {
    const page = await ledger.jobs({ ...filter, limit: PAGE_ROWS, ...(last !== undefined && { after: last }) });
    yield* page;
    last = page.at(-1)?.job;
    if (page.length < PAGE_ROWS) return;
  }
}

/**
 * The rows, with any gap in their jobs' journals. If a journal can't be listed, no further journals are, but the rows
 * continue: they need only the ledger.
 */
function rowsOf(context: VerbContext, rows: AsyncIterable<LedgerJob>): AsyncIterable<ListedJob> {
  let closed = 0;
  let failed = false;
  return mapAhead(rows, AT_ONCE, async (row): Promise<ListedJob> => {
    if (isClosed(row.state)) closed += 1;
    if (failed || (isClosed(row.state) && closed > MAX_CLOSED_CHECKED)) return listed(row);
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
