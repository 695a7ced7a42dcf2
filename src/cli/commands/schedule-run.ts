import { BatchctlError } from '../../errors.ts';
import { existingRun } from '../../jobs/run-keys.ts';
import { fire } from '../../jobs/schedules/fire.ts';
import { mustReadSchedule } from '../../jobs/schedules/schedules.ts';
import { killPoints } from '../../lib/kill-point.ts';
import { isClosed } from '../../model/job.ts';
import { runKeyOf, type Schedule } from '../../model/schedule.ts';
import { type Firing, firingOf, firingsAfter } from '../../model/schedule-times.ts';
import { stateOf } from '../../model/view.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { formatInstant } from '../format.ts';
import { raiseWork } from '../raise-work.ts';
import { answer, print } from '../render.ts';
import { withSubmitProgress } from '../submit-with-progress.ts';

export function scheduleRunCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<name>': 'name of the schedule' },
    options: {
      '--period <period>': 'the period: 2026-11 for a calendar, 2026-11-30T06:00 for cron',
      '--existing': 'if the period ran with other content, use its job anyway',
      '--again': 'run the period again',
      '--no-scale': "don't change the size of groups",
    },
    writes: true,
    output: {
      type: 'object',
      required: ['job', 'runKey', 'created'],
      properties: {
        job: { type: ['string', 'null'], description: 'null with --dry-run, for a period that has not run' },
        runKey: { type: 'string' },
        created: { type: 'boolean' },
      },
    },
    help: {
      about:
        'Fires one period by hand: one that was missed, fell into a pause, or is still to come (it then does not run again at its time). For a period that has already run, it returns that job. With --quiet it prints only the id.',
      examples: [
        'batchctl schedule run month-end --period 2026-11',
        'batchctl schedule run nightly --period 2026-11-30T04:15',
      ],
      exitCodes: [
        [0, 'submitted, or it already existed'],
        [2, 'usage error: the schedule has no such period'],
        [4, 'no such schedule, or an input matches nothing'],
        [7, 'refused: the period ran with other content'],
      ],
      related: ['schedule show', 'schedule next', 'submit', 'status', 'tick'],
    },
    run: (input) => scheduleRun({ ctx, ...input }),
  });
}

export interface ScheduleRunOptions {
  readonly ctx: Context;
  readonly name: string;
  readonly period: string | undefined;
  readonly existing: boolean;
  readonly again: boolean;
  readonly scale: boolean;
}

/** Submits the job of one period. Throws `notFound`, `usage`, and like a submission. */
export async function scheduleRun({ ctx, name, period, existing, again, scale }: ScheduleRunOptions): Promise<void> {
  if (existing && again) throw new BatchctlError('usage', '--existing and --again are mutually exclusive');
  const platform = await ctx.platform();
  const schedule = await mustReadSchedule(platform.store, name);
  const firing = firingMeant(ctx, schedule, period);
  const runKey = runKeyOf(schedule, firing);
  if (ctx.flags.dryRun) {
    const job = again ? null : ((await existingRun(platform, runKey))?.claim.job ?? null);
    const text = job === null ? `would submit ${runKey}` : `${job} (already exists)`;
    return answer(ctx, { json: { job, runKey, created: job === null }, text });
  }
  const { view, created } = await withSubmitProgress(ctx, (onProgress) =>
    fire(platform, schedule, firing, {
      ...{ mode: again ? 'again' : existing ? 'existing' : 'new', signal: ctx.signal, onProgress },
      passed: killPoints(ctx.io.env),
    }),
  );
  const { job } = view.record;
  if (ctx.flags.quiet && !ctx.flags.json) await print(ctx, `${job}\n`);
  else await answer(ctx, { json: { job, runKey, created }, text: `${job}${created ? '' : ' (already existed)'}` });
  const now = ctx.clock.now();
  if (firing.at > now) {
    ctx.notice(`${firing.period} is due ${formatInstant(firing.at, schedule.zone, now)} and will not run again then`);
  }
  if (!isClosed(stateOf(view))) await raiseWork(ctx, view, { scale, fresh: created });
}

function firingMeant(ctx: Context, schedule: Schedule, period: string | undefined): Firing {
  const firing = period === undefined ? null : firingOf(schedule, period);
  if (firing !== null) return firing;
  const [next] = firingsAfter(schedule, ctx.clock.now(), 1);
  const such = next === undefined ? '' : ` such as ${next.period}`;
  throw new BatchctlError(
    'usage',
    period === undefined
      ? `expected --period, a period of ${schedule.name}${such}`
      : `--period ${period}: expected a period of ${schedule.name}${such}`,
    {
      hint: `batchctl schedule show ${schedule.name} shows past periods; batchctl schedule next ${schedule.name} shows the next ones`,
    },
  );
}
