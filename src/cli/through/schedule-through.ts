import { openText } from '../open-job-file.ts';
import { attachCode } from './attach-job.ts';
import { openOwnJob } from './own-job.ts';
import { type Asking, sendingOf, sendVerb } from './send-verb.ts';

/** `schedule add`: the job's files are put first, the holidays go along. Inputs are found when it fires, in the store. */
export async function scheduleThrough(asking: Asking): Promise<number> {
  const { ctx, manager, given } = asking;
  const job = await openOwnJob(ctx, String(given.jobfile));
  const texts =
    typeof given.holidays === 'string' ? { [given.holidays]: await openText(ctx, '--holidays', given.holidays) } : {};
  const { attachments, code } = await attachCode(manager, job, !ctx.flags.dryRun);
  const planned = ctx.flags.dryRun ? { planned: { files: code?.files ?? [], cut: null } } : {};
  return sendVerb(await sendingOf(asking, { ...attachments, ...planned, texts }));
}
