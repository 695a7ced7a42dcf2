import { type Kysely, sql } from 'kysely';
import type { LedgerJob } from '../../model/ledger/records.ts';
import { supersedes } from '../../model/ledger/transitions.ts';
import type { JobFilter } from '../../ports/ledger.ts';
import type { RecordContext } from './counts.ts';
import type { UpsertPlan } from './dialect.ts';
import type { Tables } from './tables.ts';
import { jobOf, jobRow } from './tables.ts';

const JOBS: UpsertPlan = { table: 'jobs', keys: ['job'] };
const LABELS: UpsertPlan = { table: 'job_labels', keys: ['job', 'name'] };

export async function writeJob({ transaction, locks, statements }: RecordContext, job: LedgerJob): Promise<void> {
  await locks?.job(transaction, job.job, 'alone');
  const row = await transaction.selectFrom('jobs').selectAll().where('job', '=', job.job).executeTakeFirst();
  if (row !== undefined && !supersedes(jobOf(row), job)) return;
  await statements.upsert(transaction, JOBS, [jobRow(job, row?.pruned ?? 0)]);
  await transaction.deleteFrom('job_labels').where('job', '=', job.job).execute();
  const pairs = Object.entries(job.labels);
  await statements.upsert(
    transaction,
    LABELS,
    pairs.map(([name, value]) => ({ job: job.job, name, value })),
  );
}

export async function readJob(db: Kysely<Tables>, id: string): Promise<LedgerJob | null> {
  const row = await db.selectFrom('jobs').selectAll().where('job', '=', id).executeTakeFirst();
  return row === undefined ? null : jobOf(row);
}

export async function readJobs(db: Kysely<Tables>, filter: JobFilter): Promise<readonly LedgerJob[]> {
  let query = db.selectFrom('jobs').selectAll();
  const { states, name, since, createdBy, prefix, after, limit } = filter;
  if (states !== undefined) {
    if (states.length === 0) return [];
    query = query.where('state', 'in', states);
  }
  if (name !== undefined) query = query.where('name', '=', name);
  if (since !== undefined) query = query.where('created_at', '>=', since);
  if (createdBy !== undefined) query = query.where('created_by', '=', createdBy);
  if (prefix !== undefined) query = query.where(sql`substr(job, 1, ${prefix.length})`, '=', prefix);
  for (const [label, value] of Object.entries(filter.labels ?? {})) {
    query = query.where(({ exists, selectFrom }) =>
      exists(
        selectFrom('job_labels')
          .select('job_labels.job')
          .whereRef('job_labels.job', '=', 'jobs.job')
          .where('job_labels.name', '=', label)
          .where('job_labels.value', '=', value),
      ),
    );
  }
  if (after !== undefined) {
    const last = await readJob(db, after);
    if (last === null) return [];
    const { createdAt, job } = last;
    query = query.where(({ and, eb, or }) =>
      or([eb('created_at', '<', createdAt), and([eb('created_at', '=', createdAt), eb('job', '<', job)])]),
    );
  }
  query = query.orderBy('created_at', 'desc').orderBy('job', 'desc');
  if (limit !== undefined) query = query.limit(limit);
  return (await query.execute()).map(jobOf);
}
