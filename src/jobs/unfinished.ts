import { BatchctlError, isKind } from '../errors.ts';
import { groupsOf } from '../model/job.ts';
import { OPEN, openOf } from '../model/keys.ts';
import type { Platform } from '../ports/platform.ts';
import { ABANDONED_MS } from './discard.ts';
import { readJob } from './journal.ts';
import { isOpenBy } from './open-readers.ts';
import type { RoundMark } from './round-marks.ts';

/** So many are named. */
const NAMED = 5;

/**
 * Throws `refused` while jobs are open, of one group or of any, and names them: what they need must stay. Where there
 * is no bucket there are none; a store that can't be read is an error.
 */
export async function requireNoneOpen(platform: Platform, group: string | null, act: string): Promise<void> {
  const jobs = await openJobs(platform, group);
  const [first] = jobs;
  if (first === undefined) return;
  const more = jobs.length > NAMED ? `, and ${jobs.length - NAMED} more` : '';
  const text = `${jobs.length} unfinished: ${jobs.slice(0, NAMED).join(', ')}${more}`;
  throw new BatchctlError('refused', `won't ${act} while jobs are unfinished: ${text}`, {
    hint: `wait for each (batchctl wait ${first}), or end it (batchctl cancel ${first})`,
  });
}

async function openJobs(platform: Platform, group: string | null): Promise<readonly string[]> {
  const marks = new Map<string, RoundMark[]>();
  try {
    for await (const { key, modified } of platform.store.list(OPEN)) {
      const mark = openOf(key);
      if (mark === null) continue;
      const of = marks.get(mark.job) ?? [];
      marks.set(mark.job, of);
      of.push({ key, round: mark.round, modified });
    }
  } catch (error) {
    if (isKind(error, 'notFound')) return [];
    throw error;
  }
  const open: string[] = [];
  for (const [job, its] of marks) if (await isOpen(platform, job, its, group)) open.push(job);
  return open;
}

/**
 * A mark without a committed job is a submission under way, or for a day one that may be. This machine's clock tells,
 * as that asks for no right to write: AWS accepts none that is wrong by more than minutes.
 */
async function isOpen(
  platform: Platform,
  job: string,
  marks: readonly RoundMark[],
  group: string | null,
): Promise<boolean> {
  const record = await readJob(platform.store, job);
  if (record === null) {
    return marks.some(({ modified }) => platform.clock.now() - modified < ABANDONED_MS);
  }
  if (group !== null && !groupsOf(record.spec).includes(group)) return false;
  return isOpenBy(platform.store, record, marks, async () => platform.clock.now());
}
