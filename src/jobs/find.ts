import { BatchctlError, nullIfUnreadable } from '../errors.ts';
import { type JobRecord, orderOf } from '../model/job.ts';
import { JOBS_PREFIX, jobKey, NAME_PATTERN, RUN_KEY_PATTERN } from '../model/keys.ts';
import { isRehearsal } from '../model/rehearsal.ts';
import type { JobView } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { readJob, readViewToShow, requireNoGap } from './journal.ts';
import { existingRun, requireOwnRun } from './run-keys.ts';

/** The number of the ledger's newest jobs that are tried, as the store may no longer have some. */
const LATEST = 20;
/** The number of jobs listed when a prefix is ambiguous. */
const NAMED = 5;

/**
 * Finds a job by id, unique prefix, `key:RUN-KEY`, `name:NAME` (its latest) or `last`; undefined is also the latest.
 * Throws `notFound`, `usage` for an ambiguous prefix or an invalid JOB, and `corrupt` for a job whose journal has a
 * gap.
 */
export async function findJob(platform: Platform, text: string | undefined): Promise<JobView> {
  return requireNoGap(await findJobToShow(platform, text));
}

/** The same for a command that only shows the job: the view tells where its journal has a gap. */
export async function findJobToShow(platform: Platform, text: string | undefined): Promise<JobView> {
  if (text === undefined || text === 'last') {
    return (await latest(platform, null)) ?? notFound('there are no jobs yet', 'batchctl run job.yaml');
  }
  if (text.startsWith('key:')) return byRunKey(platform, text.slice('key:'.length));
  if (text.startsWith('name:')) return byName(platform, text.slice('name:'.length));
  if (!/^[a-z][a-z0-9-]*$/.test(text)) {
    throw new BatchctlError('usage', `expected a job's id, a prefix, key:RUN-KEY, name:NAME or last, found "${text}"`, {
      hint: 'batchctl jobs',
    });
  }
  return (await readViewToShow(platform.store, text)) ?? (await byPrefix(platform, text));
}

async function byRunKey(platform: Platform, runKey: string): Promise<JobView> {
  const run = RUN_KEY_PATTERN.test(runKey) ? await existingRun(platform, runKey) : null;
  const view = run === null ? null : await readViewToShow(platform.store, run.claim.job);
  if (view !== null) requireOwnRun(view.record, runKey);
  return view ?? notFound(`there is no job with the run key "${runKey}"`);
}

async function byName(platform: Platform, name: string): Promise<JobView> {
  const view = NAME_PATTERN.test(name) ? await latest(platform, name) : null;
  return view ?? notFound(`there is no job named "${name}"`);
}

async function byPrefix(platform: Platform, prefix: string): Promise<JobView> {
  const found = await jobsBeginning(platform, prefix);
  const [only] = found;
  if (only === undefined) return notFound(`there is no job with the id or prefix ${prefix}`);
  if (found.length === 1) return (await readViewToShow(platform.store, only)) ?? notFound(`there is no job ${only}`);
  const more = found.length > NAMED ? ', ...' : '';
  throw new BatchctlError('usage', `${prefix} matches several jobs: ${found.slice(0, NAMED).join(', ')}${more}`, {
    hint: 'use more characters of the id, or last, name:NAME, key:RUN-KEY',
  });
}

/** Reads the store: a prefix that is unique in a lagging ledger may be ambiguous, and `cancel` would act on it. */
async function jobsBeginning(platform: Platform, prefix: string): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const job of storedJobs(platform, prefix)) {
    // One that can't be read is a job, too: another with that prefix is not the only one.
    if (await readJob(platform.store, job).then(Boolean, trueIfUnreadable)) found.push(job);
    if (found.length > NAMED) break;
  }
  return found;
}

function trueIfUnreadable(error: unknown): true {
  nullIfUnreadable(error);
  return true;
}

/**
 * The job accepted last (ids are exact to the minute): the ledger's newest, or the store's if the ledger has none.
 * Rehearsals don't count; they must be named.
 */
async function latest(platform: Platform, name: string | null): Promise<JobView | null> {
  const ledger = await platform.ledger();
  for (const { job, steps } of await ledger.jobs({ limit: LATEST, ...(name === null ? {} : { name }) })) {
    if (isRehearsal(steps)) continue;
    const view = await readViewToShow(platform.store, job);
    if (view !== null) return view;
  }
  let newest: JobRecord | null = null;
  for await (const job of storedJobs(platform, name === null ? '' : `${name}-`)) {
    const record = await readJob(platform.store, job);
    if (record === null || record.rehearsal || (name !== null && record.spec.name !== name)) continue;
    if (newest === null || orderOf(record) > orderOf(newest)) newest = record;
  }
  return newest === null ? null : readViewToShow(platform.store, newest.job);
}

/** Ids of the jobs in the store that begin with a prefix and have a job.json, committed or not. */
async function* storedJobs(platform: Platform, prefix: string): AsyncGenerator<string> {
  for await (const job of storedIds(platform.store, prefix)) {
    if ((await platform.store.head(jobKey(job))) !== null) yield job;
  }
}

/** Every id below `jobs/` with a prefix, completely submitted or not: one short listing per job of any size. */
export async function* storedIds(store: ObjectStore, prefix = ''): AsyncGenerator<string> {
  let from = `${JOBS_PREFIX}${prefix}`;
  for (;;) {
    let job: string | null = null;
    for await (const key of store.keys(`${JOBS_PREFIX}${prefix}`, { from })) {
      job = key.slice(JOBS_PREFIX.length).split('/')[0] ?? null;
      break;
    }
    if (job === null) return;
    yield job;
    // '0' is the character after '/': it skips all keys of this job.
    from = `${JOBS_PREFIX}${job}0`;
  }
}

function notFound(message: string, hint = 'batchctl jobs'): never {
  throw new BatchctlError('notFound', message, { hint });
}
