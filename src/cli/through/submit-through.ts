import type { Attachments } from '../../ports/verbs.ts';
import type { SubmissionInput } from '../submission-flags.ts';
import { attachSubmission, type OwnJob } from './attach-job.ts';
import { attachPlan } from './attach-plan.ts';
import { flagsOf } from './caller-world.ts';
import { followedEnd } from './followed-end.ts';
import { openOwnJob } from './own-job.ts';
import { type Asking, sendingOf, sendVerb } from './send-verb.ts';

/** `submit`: the job file's own files and inputs are put first; `--watch` then watches. */
export async function submitThrough(asking: Asking): Promise<number> {
  const { ctx, manager, input, given } = asking;
  const job = await openOwnJob(ctx, String(given.jobfile));
  const { watch, ...asked } = given;
  const submitting = { ...asking, given: asked };
  if (ctx.flags.dryRun) return sendVerb(await sendingOf(submitting, await planned(asking, job)));
  const attachments = await attachSubmission(ctx, manager, job, input as unknown as SubmissionInput);
  if (watch !== true) return sendVerb(await sendingOf(submitting, attachments));
  const { job: id } = await submitted(submitting, attachments);
  const { scale } = given;
  const watching = {
    ...asking,
    given: { job: id, ...(scale === false && { scale }) },
    entry: { ...asking.entry, name: 'watch' },
  };
  return sendVerb({ ...(await sendingOf(watching)), ...followedEnd('watch', id, {}) });
}

/** `plan`: nothing is put, and local inputs are cut here. */
export async function planThrough(asking: Asking): Promise<number> {
  const job = await openOwnJob(asking.ctx, String(asking.given.jobfile));
  return sendVerb(await sendingOf(asking, await planned(asking, job)));
}

const planned = ({ ctx, manager, input }: Asking, job: OwnJob): Promise<Attachments> =>
  attachPlan(ctx, manager, job, input as unknown as SubmissionInput);

/** Submits, and answers the job instead of printing it. */
export async function submitted(
  asking: Asking,
  attachments: Attachments,
): Promise<{ readonly job: string; readonly created: boolean }> {
  let said = '';
  const sending = await sendingOf(asking, attachments);
  await sendVerb({
    ...sending,
    asked: { ...sending.asked, flags: { ...(await flagsOf(asking.ctx)), json: true } },
    sink: (text) => {
      said += text;
    },
  });
  return JSON.parse(said) as { readonly job: string; readonly created: boolean };
}
