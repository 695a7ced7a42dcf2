import { BatchctlError } from '../../errors.ts';
import { findJob } from '../../jobs/find.ts';
import { following, jobExit, refuseUnended } from '../../jobs/job-exit.ts';
import { statusOf } from '../../jobs/status.ts';
import { follow } from '../../jobs/watch/follow.ts';
import { parseDuration } from '../../lib/units.ts';
import { deliverJob } from '../../verbs/deliver.ts';
import { tellBudget } from '../after-job.ts';
import { type CommandDefinition, defineCommand, parsed } from '../command.ts';
import type { Context } from '../context.ts';
import { deadlineText } from '../format.ts';
import { Lateness } from '../lateness.ts';
import { answer } from '../render.ts';

export function waitCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<job>': 'id, prefix, key:RUN-KEY, name:NAME or last' },
    options: {
      '--timeout <duration>': parsed('stop waiting after this time', parseDuration),
      '--until-late': 'return 6 once the projection has exceeded --finish-by for a while, or the deadline has passed',
      '--no-scale': "don't change the size of groups; by default they are raised as needed",
    },
    writes: false,
    output: async () => (await import('../verb-schema.ts')).statusSchema(),
    help: {
      about:
        'Waits silently until the job ends or is paused, and exits like the job. For scripts and cron. A job with `deliver` ends when its outputs are delivered.',
      examples: [
        'batchctl wait last',
        'batchctl wait key:month-end-2026-11 --timeout 6h',
        'batchctl wait last --until-late || mail -s "the month end needs a person" ops',
      ],
      exitCodes: [
        [0, 'the job succeeded'],
        [4, 'no such job'],
        [5, 'it failed or was cancelled'],
        [6, 'not finished when --timeout passed or the credentials expired, or late with --until-late'],
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

/**
 * Waits for a job's end. Prints nothing, or its status with `--json`. Throws `notFound`, `notFinished`, `interrupted`.
 */
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
      onAway: ({ message }) => ctx.warn(`${message}; retrying`),
      onUntold: ({ message }) => ctx.warn(message),
      onStatus: (seen) => {
        if (lateness.isLate(seen, ctx.clock.now())) late.abort();
      },
    });
    return { followed: to, status: await statusOf(platform, to.view) };
  });
  if (followed.end === 'interrupted' && late.signal.aborted && !ctx.signal.aborted) {
    const when = deadlineText(lateness.seen ?? status, { zone: await ctx.zone(), now: ctx.clock.now() });
    throw new BatchctlError('notFinished', `job ${id} is late: ${when}; it continues`, {
      hint: `batchctl why ${id}; extend the deadline with batchctl adjust ${id} --finish-by`,
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
