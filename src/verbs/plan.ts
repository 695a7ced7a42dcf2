import * as v from 'valibot';
import { BatchctlError, isBatchctlError } from '../errors.ts';
import { requireWithinBudget } from '../jobs/cost/affordable.ts';
import { type PlannedCut, planOf } from '../jobs/plan.ts';
import { closeInputs } from '../jobs/submit/inputs.ts';
import type { Prepared } from '../jobs/submit/prepared.ts';
import { otherContent, standingRun } from '../jobs/submit/same-job.ts';
import { machineLoad } from '../lib/this-machine.ts';
import { wholeNumberParser } from '../lib/units.ts';
import { requireAllowedSecrets } from '../model/allowed-secrets.ts';
import type { Plan } from '../model/answers/plan.ts';
import { PartSizes } from '../model/forecast/part-sizes.ts';
import type { JobSpec } from '../model/job.ts';
import type { Platform } from '../ports/platform.ts';
import type { VerbContext } from './context.ts';
import {
  NAME_FIELD,
  prepareSubmission,
  START_FIELD,
  SUBMISSION_FIELDS,
  type SubmissionInput,
  type Submitter,
  warnOfLeftOut,
  warnOfPlaceholders,
  warnOfPrograms,
} from './submission.ts';
import { fileField, option, parsedText, verb } from './verb.ts';

/** Describes what a submission would do, and writes nothing. Throws as a submission does. */
export const plan = verb()({
  name: 'plan',
  scope: 'submit',
  changes: false,
  http: { method: 'POST', path: '/plans' },
  repeatable: () => true,
  input: v.strictObject({
    jobfile: fileField('<jobfile>', 'job file, YAML or JSON', 'submission'),
    ...SUBMISSION_FIELDS,
    ...START_FIELD,
    ...NAME_FIELD,
    limit: option(
      '--limit <n>',
      'list at most this many inputs (default: 20, all with --json)',
      parsedText(wholeNumberParser(1)),
    ),
  }),
  answer: async () => (await import('../model/answers/plan.ts')).PLAN,
  run: async (context, { jobfile, limit, ...input }) => {
    const found = await planSpec(context, await context.files.job(jobfile), jobfile, input);
    const inputs = found.inputs.slice(0, limit);
    return { ...found, inputs, moreInputs: found.inputs.length - inputs.length };
  },
});

/** The plan of a spec. Its cost is compared with the limits after the plan is displayed. */
export async function planSpec(
  context: Submitter & Pick<VerbContext, 'conclude'>,
  spec: JobSpec,
  jobFile: string | null,
  input: SubmissionInput,
): Promise<Plan> {
  const platform = await context.platform();
  requireAllowedSecrets(spec.steps, platform.allowedSecrets?.(false) ?? null);
  const prepared = await prepareSubmission(context, spec, jobFile, input);
  await warnOfPrograms(context, prepared);
  warnOfPlaceholders(context, prepared);
  warnOfLeftOut(context, prepared);
  const cut = plannedCut(prepared);
  if (input.extend === true && cut !== null) {
    await closeInputs(prepared.inputs);
    throw new BatchctlError('usage', '--extend: a manager has no inputs to compare before they are uploaded', {
      hint: 'leave it out; submit --extend says what it has added',
    });
  }
  const found = await planOf(platform, prepared, {
    slots: platform.workplace.slots,
    load: machineLoad(),
    cut,
    extend: input.extend === true,
    signal: context.signal,
  });
  if (found.existing !== null && !input.again) {
    // An existing job costs nothing extra.
    if (!found.existing.sameContent && !input.existing && !input.extend)
      context.conclude(await refusalOf(platform, prepared));
    return found;
  }
  const { maxCost, forecast } = found;
  await requireWithinBudget(platform, { spec, maxCost, expected: forecast?.cost ?? null }).catch((error: unknown) => {
    if (!isBatchctlError(error)) throw error;
    context.conclude(error);
  });
  return found;
}

/** The error that a submission would end with: its run key belongs to another job. */
async function refusalOf(platform: Platform, prepared: Prepared): Promise<BatchctlError> {
  const standing = await standingRun(platform, prepared);
  if (standing === null) throw new BatchctlError('notFound', `the run key ${prepared.runKey} has just been removed`);
  return otherContent(standing.view, prepared, standing.differences);
}

/** Parts that a remote caller has already cut; null: they are cut here. */
function plannedCut({ request }: Prepared): PlannedCut | null {
  const cut = request.attachments?.planned?.cut ?? null;
  if (cut === null) return null;
  const { parts: count, records, inputs, pieces, sizes } = cut;
  return { count, records, inputs, pieces, sizes: PartSizes.fromJSON(sizes) };
}
