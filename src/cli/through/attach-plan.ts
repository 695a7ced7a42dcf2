import { planCut } from '../../jobs/plan.ts';
import { FileChecksums } from '../../jobs/submit/inputs.ts';
import type { FindSource } from '../../jobs/submit/job-outputs.ts';
import { prepare } from '../../jobs/submit/prepare.ts';
import type { Manager } from '../../ports/manager.ts';
import type { Attachments } from '../../ports/verbs.ts';
import type { SubmissionInput } from '../../verbs/submission.ts';
import type { Context } from '../context.ts';
import { attachCode, type OwnJob, ownNames, ownRequest } from './attach-job.ts';

/** What a plan needs. Nothing is uploaded: local inputs are cut here, for the number and sizes of their parts. */
export async function attachPlan(
  ctx: Context,
  manager: Manager,
  job: OwnJob,
  input: SubmissionInput,
  find: FindSource,
): Promise<Attachments> {
  const { request, spec } = await ownRequest(ctx, job, input);
  const { attachments, code } = await attachCode(manager, job, false);
  const files = code?.files ?? [];
  if (ownNames(spec).length === 0) return { ...attachments, planned: { files, cut: null } };
  const { bucket } = await ctx.platform();
  const prepared = await prepare({ ...request, code }, manager.store, find, new FileChecksums(), bucket);
  const { count: parts, records, inputs, pieces, sizes } = await planCut(prepared, ctx.signal);
  return { ...attachments, planned: { files, cut: { parts, records, inputs, pieces, sizes: sizes.toJSON() } } };
}
