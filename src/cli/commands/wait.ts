import { findJob } from '../../jobs/find.ts';
import { follow } from '../../jobs/follow.ts';
import { statusOf } from '../../jobs/status.ts';
import { parseDuration } from '../../lib/units.ts';
import { type CommandDefinition, defineCommand, parsed } from '../command.ts';
import type { Context } from '../context.ts';
import { jobExit, refuseUnended } from '../job-exit.ts';
import { answer } from '../render.ts';
import { STATUS_OUTPUT } from '../status-schema.ts';

export function waitCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<job>': 'id, prefix, key:RUN-KEY, name:NAME or last' },
    options: { '--timeout <duration>': parsed('wait no longer', parseDuration) },
    writes: false,
    output: STATUS_OUTPUT,
    help: {
      about: 'Waits in silence until the job ends or is paused, and exits as it did: for scripts and cron.',
      examples: ['batchctl wait last', 'batchctl wait key:month-end-2026-11 --timeout 6h'],
      exitCodes: [
        [0, 'the job succeeded'],
        [4, 'no such job'],
        [5, 'it failed or was cancelled'],
        [6, 'not finished when --timeout passed'],
        [7, 'it is paused'],
        130,
      ],
      related: ['watch', 'status', 'run'],
    },
    run: (input) => waitFor({ ctx, ...input }),
  });
}

export interface WaitOptions {
  readonly ctx: Context;
  readonly job: string;
  readonly timeout: number | undefined;
}

/** Waits for a job's end; prints nothing but, with `--json`, its status. Throws `notFound`, `notFinished`, `interrupted`. */
export async function waitFor({ ctx, job, timeout }: WaitOptions): Promise<number> {
  const platform = await ctx.platform();
  const view = await findJob(platform, job);
  const followed = await follow(platform, view, { signal: ctx.signal, timeout: timeout ?? null, watching: false });
  refuseUnended(followed.end, view.record.job, `batchctl wait ${view.record.job}`);
  const status = await statusOf(platform, followed.view);
  await answer(ctx, { json: status, text: '' });
  return jobExit(status);
}
