import * as v from 'valibot';
import { cancel as cancelJob, pause as pauseJob, resume as resumeJob, wouldMend } from '../jobs/change/lifecycle.ts';
import type { JobChangedAnswer, ResumedAnswer } from '../model/answers/lifecycle.ts';
import { isAlready, mustBeLegal } from '../model/legal.ts';
import { stateOf } from '../model/view.ts';
import { changedJob, jobMeant } from './job.ts';
import { type RaiseEvent, raiseWork } from './raise.ts';
import { field, fileField, flag, verb } from './verb.ts';

/** Stops workers from taking a job's tasks. Throws `notFound`, `refused`. */
export const pause = verb()({
  name: 'pause',
  scope: 'operate',
  changes: true,
  http: { method: 'POST', path: '/jobs/{job}/pauses' },
  input: v.strictObject({
    job: changedJob,
    now: v.optional(field('--now', 'return running attempts at once instead of letting them finish', flag), false),
  }),
  answer: async () => (await import('../model/answers/lifecycle.ts')).JOB_CHANGED,
  async run(context, { job, now }): Promise<JobChangedAnswer> {
    const platform = await context.platform();
    const found = await jobMeant(context, job);
    const already = isAlready(found, 'pause', now);
    if (!already && found.paused === null) mustBeLegal(found, 'pause');
    const { view, changed } = context.dryRun
      ? { view: found, changed: !already }
      : await pauseJob(platform, found, { now });
    return { job: view.record.job, state: stateOf(view), changed };
  },
});

/** Resumes a paused job, or completes an interrupted submission. Throws `notFound`, `refused`, `jobFile`. */
export const resume = verb<RaiseEvent>()({
  name: 'resume',
  scope: 'operate',
  changes: true,
  http: { method: 'POST', path: '/jobs/{job}/resumptions' },
  input: v.strictObject({
    job: changedJob,
    with: v.optional(fileField('--with <jobfile>', 'corrected job file, for every undecided task', 'job')),
    scale: v.optional(field('--no-scale', "don't change the size of groups", flag), true),
  }),
  answer: async () => (await import('../model/answers/lifecycle.ts')).RESUMED,
  async run(context, { job, with: file, scale }): Promise<ResumedAnswer> {
    const mend = file === undefined ? null : await context.files.mend(file);
    const platform = await context.platform();
    const found = await jobMeant(context, job);
    if (context.dryRun) {
      const changes = mend === null ? [] : await wouldMend(platform, found, mend);
      const changed = !isAlready(found, 'resume');
      if (changed) mustBeLegal(found, 'resume');
      return { job: found.record.job, state: stateOf(found), changed, changes, sent: 0 };
    }
    const { view, changed, changes, sent } = await resumeJob(platform, found, mend);
    if (sent > 0) await raiseWork(context, view, { scale, fresh: true });
    return { job: view.record.job, state: stateOf(view), changed, changes, sent };
  },
});

/** Ends a job permanently, after confirmation. Throws `notFound`, `refused`. */
export const cancel = verb()({
  name: 'cancel',
  scope: 'operate',
  changes: true,
  http: { method: 'POST', path: '/jobs/{job}/cancellations' },
  input: v.strictObject({ job: changedJob }),
  answer: async () => (await import('../model/answers/lifecycle.ts')).JOB_CHANGED,
  async run(context, { job }): Promise<JobChangedAnswer> {
    const platform = await context.platform();
    const found = await jobMeant(context, job);
    const already = isAlready(found, 'cancel');
    if (!already) {
      mustBeLegal(found, 'cancel');
      await context.confirm(`cancel ${found.record.job} permanently?`);
    }
    const { view, changed } = context.dryRun ? { view: found, changed: !already } : await cancelJob(platform, found);
    return { job: view.record.job, state: stateOf(view), changed };
  },
});
