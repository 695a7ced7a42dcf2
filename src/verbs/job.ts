import { isKind } from '../errors.ts';
import { findJob, findJobToShow } from '../jobs/find.ts';
import { gapHint, gapText } from '../jobs/journal.ts';
import { parseDuration } from '../lib/units.ts';
import { JOB_STATES } from '../model/job-state.ts';
import { parseGroup } from '../model/keys.ts';
import type { JobView } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import { field, flag, option, parsedText, text } from './verb.ts';

export const JOB_TEXT = 'id, unique prefix, key:RUN-KEY, name:NAME or last';

export const JOB_OR_LATEST_TEXT = 'id, prefix, key:RUN-KEY, name:NAME or last; the latest unless given';

export const jobOrLatest = option('[job]', JOB_OR_LATEST_TEXT, text);

/**
 * The job to change. On the command line it may be omitted: the latest is used after a person confirms it. API calls must
 * name it.
 */
export const jobToChange = field('[job]', `${JOB_TEXT}; without it, asks whether to use the latest job`, text);

/** `STEP/N` or `STEP[NAME=VALUE]` in the place of a job: a task of the latest job. No job reads like that. */
export function taskOfLatest({ job, task }: { readonly job?: unknown; readonly task?: unknown }): {
  readonly job?: undefined;
  readonly task?: string;
} {
  if (task !== undefined || typeof job !== 'string' || !/^[a-z][a-z0-9-]*(\/\d+|\[.*\])$/s.test(job)) return {};
  return { job: undefined, task: job };
}

/** Seconds. */
export const duration = parsedText(parseDuration);

export const groupName = parsedText(parseGroup);

export const scaleFlag = option('--no-scale', "don't change the size of groups", flag, true);

/** The caller's ports, and where to send notices that are not part of an answer. */
export interface JobCaller {
  platform(): Promise<Platform>;
  notice(text: string): void;
  warn(text: string): void;
}

/** The job's state after a command changed it, for its answer. */
export const STATE_SCHEMA = { enum: JOB_STATES } as const;

/** Finds the job. Prints its id unless `text` is that id. Throws `notFound`, `usage`, `corrupt` (a gap in its journal). */
export async function resolveJob(asker: JobCaller, text: string | undefined): Promise<JobView> {
  return noticeJobId(asker, text, await findJob(await asker.platform(), text));
}

/** Like `resolveJob`, for a command that only displays the job: a gap in its journal is a warning. */
export async function resolveJobToShow(asker: JobCaller, text: string | undefined): Promise<JobView> {
  const view = noticeJobId(asker, text, await findJobToShow(await asker.platform(), text));
  await warnOfDamage(asker, view);
  return view;
}

/** Warns of a gap in the journal, which hides later decisions, and of a pruned job's altered remains. */
export async function warnOfDamage(asker: JobCaller, view: JobView): Promise<void> {
  if (view.pruned !== null) await warnOfRemains(asker, view);
  if (view.hole === null) return;
  asker.warn(`${gapText(view, view.hole)}: decisions after entry ${view.hole.missing - 1} are not shown`);
  asker.warn(gapHint(view, view.hole));
}

async function warnOfRemains(asker: JobCaller, view: JobView): Promise<void> {
  const { alteredText, REMAINS_HINT, remainsProblems } = await import('../jobs/verify/remains.ts');
  const problems = await remainsProblems((await asker.platform()).store, view).catch((error: unknown) => {
    if (isKind(error, 'corrupt')) return [error.message];
    throw error;
  });
  for (const problem of problems) asker.warn(`${alteredText(view)}: ${problem}`);
  if (problems.length > 0) asker.warn(REMAINS_HINT);
}

function noticeJobId(asker: JobCaller, text: string | undefined, view: JobView): JobView {
  if (text !== view.record.job) asker.notice(`job ${view.record.job}`);
  return view;
}
