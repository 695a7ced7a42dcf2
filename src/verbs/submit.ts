import * as v from 'valibot';
import { formatInstant } from '../lib/instant.ts';
import type { SubmitAnswer } from '../model/answers/changes.ts';
import type { Plan } from '../model/answers/plan.ts';
import { emptyInputs } from '../model/job.ts';
import { isClosed } from '../model/job-state.ts';
import { stateOf } from '../model/view.ts';
import { scaleFlag } from './job.ts';
import { type RaiseEvent, raiseJobGroups } from './raise.ts';
import { NAME_FIELD, START_FIELD, SUBMISSION_FIELDS, type SubmitEvent, submitSpec } from './submission.ts';
import { fileField, flag, verb } from './verb.ts';

/** Submits a job, and raises its groups once; with `dryRun`, plans it. Throws as a submission does. */
export const submit = verb<SubmitEvent | RaiseEvent>()({
  name: 'submit',
  scope: 'submit',
  changes: true,
  http: { method: 'POST', path: '/jobs' },
  // The same run key means the same job.
  repeatable: ({ runKey, again }) => runKey !== undefined && !again,
  input: v.strictObject({
    jobfile: fileField('<jobfile>', 'job file, YAML or JSON', 'submission'),
    ...SUBMISSION_FIELDS,
    ...START_FIELD,
    ...NAME_FIELD,
    scale: scaleFlag,
    stays: v.optional(
      v.pipe(flag, v.description('the caller looks after the job itself, so no manager and no tick is needed')),
      false,
    ),
  }),
  answer: async () => (await import('../model/answers/changes.ts')).SUBMIT_ANSWER,
  async run(context, { jobfile, scale, ...input }): Promise<SubmitAnswer | Plan> {
    const spec = await context.files.job(jobfile);
    if (context.dryRun) {
      const { planSpec } = await import('./plan.ts');
      return planSpec(context, spec, jobfile, input);
    }
    const { view, created, added = 0 } = await submitSpec(context, spec, jobfile, input);
    const { job, runKey, notBefore, inputs } = view.record;
    const now = context.clock.now();
    if (notBefore !== null && Date.parse(notBefore) > now) {
      const starts = formatInstant(Date.parse(notBefore), await context.zone(), now);
      context.notice(`job ${job} starts ${starts}`);
    }
    if (!isClosed(stateOf(view))) await raiseJobGroups(context, view, { scale, fresh: created });
    return { job, runKey, created, added, emptyInputs: emptyInputs(inputs) };
  },
});
