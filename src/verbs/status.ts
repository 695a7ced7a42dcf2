import * as v from 'valibot';
import { findJobToShow } from '../jobs/find.ts';
import { statusOf } from '../jobs/status.ts';
import { jobOrLatest, warnOfDamage } from './job.ts';
import { reading, verb } from './verb.ts';

/** Shows a job's status. Throws `notFound`. */
export const status = verb()({
  name: 'status',
  ...reading('/jobs/{job}'),
  input: v.strictObject({ job: jobOrLatest }),
  answer: async () => (await import('../model/answers/status.ts')).JOB_STATUS,
  async run(context, { job }) {
    const platform = await context.platform();
    const view = await findJobToShow(platform, job);
    await warnOfDamage(context, view);
    return statusOf(platform, view);
  },
});
