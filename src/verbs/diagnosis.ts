import * as v from 'valibot';
import { whyJob } from '../jobs/why/why.ts';
import { OpenMap } from '../lib/once.ts';
import type { CheckResult } from '../model/answers/upkeep.ts';
import { jobOrLatest } from './job.ts';
import { flag, listVerb, option, reading, verb } from './verb.ts';

/** Checks what jobs depend on, on the machine where the verb runs. The exit code is 3 if a check failed. */
export const doctor = listVerb({
  name: 'doctor',
  ...reading('/checks'),
  input: v.strictObject({ strict: option('--strict', 'exit with 11 if a check warns', flag, false) }),
  answer: async () => (await import('../model/answers/upkeep.ts')).CHECK_RESULT,
  exit: (checks: readonly CheckResult[], { strict }) => {
    if (checks.some(({ severity }) => severity === 'fail')) return 3;
    return strict && checks.some(({ severity }) => severity === 'warn') ? 11 : 0;
  },
  async *run(context): AsyncIterable<CheckResult> {
    yield* await context.examine();
  },
});

/** Reported because reading a large job takes a while. */
export type WhyEvent = { readonly event: 'checking'; readonly job: string };

/** A job with more parts is large. */
const LARGE = 20_000;
/** Milliseconds after which a service counts as unreachable: here that is a result, not a reason to wait. */
const PATIENCE_MS = 3_000;
/** The exit code if something is wrong with the job. */
const FOUND = 11;

/** Explains what is wrong with a job. Throws `notFound`, `usage`. */
export const why = verb<WhyEvent>()({
  name: 'why',
  ...reading('/jobs/{job}/why'),
  input: v.strictObject({ job: jobOrLatest }),
  answer: async () => (await import('../model/answers/tasks.ts')).WHY_ANSWER,
  exit: ({ causes }) => (causes.length === 0 ? 0 : FOUND),
  async run(context, { job }) {
    const platforms = new OpenMap(() => context.impatientPlatform(PATIENCE_MS));
    try {
      return await whyJob(
        () => platforms.get('impatient'),
        job,
        ({ record }) => {
          if (record.parts > LARGE) context.report({ event: 'checking', job: record.job });
        },
      );
    } finally {
      await platforms.close();
    }
  },
});
