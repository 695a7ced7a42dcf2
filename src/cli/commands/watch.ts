import { findJob } from '../../jobs/find.ts';
import { follow } from '../../jobs/follow.ts';
import { statusOf } from '../../jobs/status.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { tellNext } from '../after-job.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { deliverJob } from '../deliver-job.ts';
import { FirstFailure } from '../first-failure.ts';
import { following, jobExit, refuseUnended } from '../job-exit.ts';
import { tellRaised } from '../raise-work.ts';
import { answer } from '../render.ts';
import { liveView } from '../render-live.ts';
import { STATUS_OUTPUT } from '../status-schema.ts';
import { liveOf, statusText } from '../status-text.ts';

export function watchCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '[job]': 'id, prefix, key:RUN-KEY, name:NAME or last; the latest unless given' },
    options: { '--no-scale': 'leave the size of groups as it is; else they are raised as the work needs' },
    writes: false,
    output: STATUS_OUTPUT,
    help: {
      about:
        'Status, live, until the job ends or a guard pauses it; then its outputs are delivered, where the job says so and nobody has yet. Ctrl-C ends the watching; the job goes on.',
      examples: ['batchctl watch', 'batchctl watch last --json'],
      exitCodes: [
        [0, 'the job succeeded'],
        [4, 'no such job'],
        [5, 'it failed or was cancelled'],
        [6, 'the credentials ended; the job goes on'],
        [7, 'it is paused'],
        10,
        130,
      ],
      related: ['status', 'wait', 'run'],
    },
    run: (input) => watch({ ctx, ...input }),
  });
}

export interface WatchOptions {
  readonly ctx: Context;
  readonly job: string | undefined;
  readonly scale: boolean;
}

/** Shows a job until it ends, and exits as it did. Throws `notFound`, `interrupted`. */
export async function watch({ ctx, job, scale }: WatchOptions): Promise<number> {
  const platform = await ctx.platform();
  const view = await findJob(platform, job);
  const id = view.record.job;
  ctx.notice(`watching ${id}`);
  return await following(id, `batchctl watch ${id}`, () => watchTo(ctx, platform, view, scale));
}

async function watchTo(ctx: Context, platform: Platform, view: JobView, scale: boolean): Promise<number> {
  const zone = await ctx.zone();
  const live = liveView(ctx);
  const first = new FirstFailure(platform, view, live.above);
  try {
    const followed = await follow(platform, view, {
      signal: ctx.signal,
      timeout: null,
      watching: true,
      scale,
      onRaised: (raised) => tellRaised(ctx, raised, zone),
      onStatus: (status) => {
        live.show(liveOf(status));
        if (!ctx.flags.quiet) first.see(status);
      },
      onAway: ({ message }) => ctx.warn(`${message}; asking again`),
      onUntold: ({ message }) => ctx.warn(message),
    });
    await first.idle();
    live.close();
    refuseUnended(followed.end, view.record.job, `batchctl watch ${view.record.job}`);
    const status = await statusOf(platform, await deliverJob(ctx, followed.view));
    await answer(ctx, { json: status, text: () => statusText(ctx, status) });
    tellNext(ctx, status);
    return jobExit(status);
  } finally {
    live.close();
  }
}
