import { attachCode } from './attach-job.ts';
import { openOwnJob } from './own-job.ts';
import { type Asking, sendingOf, sendVerb } from './send-verb.ts';

/** `retry` and `resume`: a mended job file's files are put first. */
export async function mendThrough(asking: Asking): Promise<number> {
  const { ctx, manager, given } = asking;
  if (typeof given.with !== 'string') return sendVerb(await sendingOf(asking));
  const { attachments } = await attachCode(manager, await openOwnJob(ctx, given.with));
  return sendVerb(await sendingOf(asking, attachments));
}
