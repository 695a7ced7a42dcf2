import { BatchctlError } from '../errors.ts';
import type { JobRecord } from '../model/job.ts';
import { JOBS, jobKey, NAME, RUN_KEY } from '../model/keys.ts';
import { isRehearsal } from '../model/rehearsal.ts';
import type { JobView } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { mustBeWhole, readJob, readViewToShow } from './journal.ts';
import { existingRun } from './run-claims.ts';

/** So many of the ledger's newest jobs are tried: the store may know some of them no more. */
const LATEST = 20;
/** So many are named when a prefix fits several. */
const NAMED = 5;

/**
 * The job that a person means: an id, a unique prefix of one, `key:RUN-KEY` or `name:NAME` (the latest of it), `last`;
 * undefined is the latest too. Throws `notFound`, and `usage` for a prefix that fits several or a text that is no JOB.
 * Throws `corrupt` for a job whose journal has a hole.
 */
export async function findJob(platform: Platform, text: string | undefined): Promise<JobView> {
  return mustBeWhole(await findJobToShow(platform, text));
}

/** The same job for a verb that only shows it: the view says where its journal has a hole. */
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
  const run = RUN_KEY.test(runKey) ? await existingRun(platform, runKey) : null;
  const view = run === null ? null : await readViewToShow(platform.store, run.claim.job);
  return view ?? notFound(`there is no job with the run key "${runKey}"`);
}

async function byName(platform: Platform, name: string): Promise<JobView> {
  const view = NAME.test(name) ? await latest(platform, name) : null;
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

/** From the store, not the ledger: what is unique in a ledger that lags may not be unique, and `cancel` would believe it. */
async function jobsBeginning(platform: Platform, prefix: string): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const job of storedJobs(platform, prefix)) {
    if ((await readJob(platform.store, job)) !== null) found.push(job);
    if (found.length > NAMED) break;
  }
  return found;
}

/**
 * The job that was accepted last (ids tell only the minute): the ledger's newest, or the store's if it knows none. A
 * rehearsal is never meant: whoever wants one names it.
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
    if (newest === null || record.createdAt > newest.createdAt) newest = record;
  }
  return newest === null ? null : readViewToShow(platform.store, newest.job);
}

/** Ids of the jobs in the store that begin with a prefix and have a job.json, committed or not. */
async function* storedJobs(platform: Platform, prefix: string): AsyncGenerator<string> {
  for await (const job of storedIds(platform.store, prefix)) {
    if ((await platform.store.head(jobKey(job))) !== null) yield job;
  }
}

/** Every id below `jobs/` that begins with a prefix, submitted in full or not: one short listing a job, whatever its size. */
export async function* storedIds(store: ObjectStore, prefix = ''): AsyncGenerator<string> {
  let from = `${JOBS}${prefix}`;
  for (;;) {
    let job: string | null = null;
    for await (const key of store.keys(`${JOBS}${prefix}`, { from })) {
      job = key.slice(JOBS.length).split('/')[0] ?? null;
      break;
    }
    if (job === null) return;
    yield job;
    // '0' is the character after '/': past everything of this job.
    from = `${JOBS}${job}0`;
  }
}

function notFound(message: string, hint = 'batchctl jobs'): never {
  throw new BatchctlError('notFound', message, { hint });
}
