import { BatchctlError } from '../../errors.ts';
import { findJob } from '../../jobs/find.ts';
import { follow } from '../../jobs/follow.ts';
import { following, jobExit, refuseUnended } from '../../jobs/job-exit.ts';
import { statusOf } from '../../jobs/status.ts';
import { parseDuration } from '../../lib/units.ts';
import { deliverJob } from '../../verbs/deliver.ts';
import { tellBudget } from '../after-job.ts';
import { type CommandDefinition, defineCommand, parsed } from '../command.ts';
import type { Context } from '../context.ts';
import { deadlineText } from '../deadline-text.ts';
import { Lateness } from '../lateness.ts';
import { answer } from '../render.ts';

export function waitCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<job>': 'id, prefix, key:RUN-KEY, name:NAME or last' },
    options: {
      '--timeout <duration>': parsed('wait no longer', parseDuration),
      '--until-late': 'return 6 once the projection has passed --finish-by for a while, or the time itself has',
      '--no-scale': 'leave the size of groups as it is; else they are raised as the work needs',
    },
    writes: false,
    output: async () => (await import('../verb-schema.ts')).statusSchema(),
    help: {
      about:
        'Waits in silence until the job ends or is paused, and exits as it did: for scripts and cron. A job with `deliver` has ended once its outputs are where it says.',
      examples: [
        'batchctl wait last',
        'batchctl wait key:month-end-2026-11 --timeout 6h',
        'batchctl wait last --until-late || mail -s "the month end needs a person" ops',
      ],
      exitCodes: [
        [0, 'the job succeeded'],
        [4, 'no such job'],
        [5, 'it failed or was cancelled'],
        [6, 'not finished when --timeout passed or the credentials ended, or late with --until-late'],
        [7, 'it is paused'],
        10,
        130,
      ],
      related: ['watch', 'status', 'run', 'adjust'],
    },
    run: (input) => waitFor({ ctx, ...input }),
  });
}

export interface WaitOptions {
  readonly ctx: Context;
  readonly job: string;
  readonly timeout: number | undefined;
  readonly untilLate: boolean;
  readonly scale: boolean;
}

/** Waits for a job's end; prints nothing but, with `--json`, its status. Throws `notFound`, `notFinished`, `interrupted`. */
export async function waitFor({ ctx, job, timeout, untilLate, scale }: WaitOptions): Promise<number> {
  const platform = await ctx.platform();
  const view = await findJob(platform, job);
  const id = view.record.job;
  if (untilLate && view.finishBy === null) {
    throw new BatchctlError('usage', `--until-late: job ${id} has no deadline`, {
      hint: `batchctl adjust ${id} --finish-by "in 2h"`,
    });
  }
  const late = new AbortController();
  const begun = ctx.clock.monotonic();
  const lateness = new Lateness(platform.leaseSeconds * 1_000);
  const { followed, status } = await following(id, `batchctl wait ${id}`, async () => {
    const to = await follow(platform, view, {
      signal: AbortSignal.any([ctx.signal, late.signal]),
      timeout: timeout ?? null,
      watching: untilLate,
      scale,
      onAway: ({ message }) => ctx.warn(`${message}; asking again`),
      onUntold: ({ message }) => ctx.warn(message),
      onStatus: (seen) => {
        if (lateness.isLate(seen, ctx.clock.now())) late.abort();
      },
    });
    return { followed: to, status: await statusOf(platform, to.view) };
  });
  if (followed.end === 'interrupted' && late.signal.aborted && !ctx.signal.aborted) {
    const when = deadlineText(lateness.seen ?? status, { zone: await ctx.zone(), now: ctx.clock.now() });
    throw new BatchctlError('notFinished', `job ${id} is late: ${when}; it goes on`, {
      hint: `batchctl why ${id}; batchctl adjust ${id} --finish-by gives it longer`,
    });
  }
  refuseUnended(followed.end, id, `batchctl wait ${id}`);
  const left = timeout === undefined ? null : timeout - (ctx.clock.monotonic() - begun) / 1_000;
  const last = await deliverJob(ctx, followed.view, left);
  const ended = last === followed.view ? status : await statusOf(platform, last);
  tellBudget(ctx, ended);
  await answer(ctx, { json: ended, text: '' });
  return jobExit(ended);
}
