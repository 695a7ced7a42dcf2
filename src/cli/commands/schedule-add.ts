import { freshKeeper, latestKeeper } from '../../jobs/keeper.ts';
import { type AddedSchedule, addSchedule, isSame, taken } from '../../jobs/schedules/change-schedule.ts';
import { unfiredBy } from '../../jobs/schedules/recent.ts';
import { readSchedule } from '../../jobs/schedules/schedule-journal.ts';
import { runKeyOf, type ScheduleSpec } from '../../model/schedule.ts';
import { firingsAfter } from '../../model/schedule-times.ts';
import type { Platform } from '../../ports/platform.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { formatInstant } from '../format.ts';
import { crontabLine } from '../keeper-guard.ts';
import { answer } from '../render.ts';
import { requireSaidProfile } from '../said-profile.ts';
import { firingText, iso, tellHolidaysEnd } from '../schedule-document.ts';
import { CADENCE_FLAGS, type CadenceInput, cadenceOf, DEFAULT_CATCH_UP, scheduleName } from '../schedule-flags.ts';
import { type ScheduledInput, scheduledJob } from '../scheduled-job.ts';
import { SUBMISSION_FLAGS } from '../submission-flags.ts';

const {
  '--run-key <key>': _runKey,
  '--existing': _existing,
  '--again': _again,
  '--period <period>': _period,
  ...JOB_FLAGS
} = SUBMISSION_FLAGS;

export function scheduleAddCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: {
      '<name>': 'name of the schedule; the run key is <name>@<period>',
      '<jobfile>': 'job file, YAML or JSON; the schedule stores it and its files as they are now',
    },
    options: {
      ...CADENCE_FLAGS,
      ...JOB_FLAGS,
      '--finish-by <time>':
        'deadline of each firing: "in 6h", 06:00 (the next one after the due time), "tomorrow 06:00"',
      '--await-input <duration>': JOB_FLAGS['--await-input <duration>'],
      '--replace': 'replace the existing schedule of that name',
    },
    writes: true,
    output: {
      type: 'object',
      required: ['schedule', 'changed', 'next'],
      properties: {
        schedule: { type: 'string' },
        changed: { type: 'boolean', description: 'false: an identical schedule exists' },
        next: {
          type: 'object',
          properties: { period: { type: 'string' }, at: { type: 'string', format: 'date-time' } },
        },
      },
    },
    help: {
      about:
        "Stores a job, its files and its times. Any host that runs batchctl tick or a manager then fires it. Each period runs once, as its run key can be claimed only once. {period} in inputs, --input and deliver.to is 2026-11 for a calendar, and 2026-11-30T06:00 for cron. Times are in --tz, or the profile's zone: a time that the clocks skip runs at the first instant after it, and a time that occurs twice runs once.",
      examples: [
        'batchctl schedule add month-end claims.yaml --calendar last-business-day --holidays holidays',
        "batchctl schedule add nightly job.yaml --cron '15 4 * * 1-5' --input 'store:increments/' --finish-by 07:00",
        'batchctl schedule add closing close.yaml --calendar nth-business-day:3 --time 06:00 --month-before --replace',
      ],
      exitCodes: [
        [0, 'created, changed, or unchanged'],
        [3, 'the job file is invalid'],
        [4, 'one of its files, or the holidays file, does not exist'],
        [7, 'refused: another schedule has that name'],
      ],
      related: ['schedule next', 'schedule ls', 'schedule run', 'schedule rm', 'tick', 'submit'],
    },
    run: (input) => scheduleAdd({ ctx, ...input }),
  });
}

export interface ScheduleAddOptions extends CadenceInput, ScheduledInput {
  readonly ctx: Context;
  readonly name: string;
  readonly jobfile: string;
  readonly catchUp: number | undefined;
  readonly replace: boolean;
}

/** Creates or replaces a schedule. Throws like a submission, and `refused` if the name is taken. */
export async function scheduleAdd({ ctx, jobfile, replace, ...input }: ScheduleAddOptions): Promise<void> {
  await requireSaidProfile(ctx);
  const name = scheduleName(input.name);
  const when = { cadence: await cadenceOf(ctx, input), zone: await ctx.zone() };
  const { job, code } = await scheduledJob(ctx, jobfile, input, { name, when });
  const spec: ScheduleSpec = { ...when, catchUp: input.catchUp ?? DEFAULT_CATCH_UP, job };
  await ctx.announce();
  const platform = await ctx.platform();
  const added = ctx.flags.dryRun ? null : await addSchedule(platform, name, { spec, code, replace });
  const changed = added?.changed ?? (await wouldChange(platform, name, { spec, replace }));
  const now = ctx.clock.now();
  const [next] = firingsAfter(when, now, 1);
  const did = !changed ? 'exists already' : ctx.flags.dryRun ? 'would be created' : 'is set up';
  await answer(ctx, {
    json: { schedule: name, changed, next: next === undefined ? null : { period: next.period, at: iso(next.at) } },
    text: `${name} ${did}; next: ${next === undefined ? 'never' : firingText(next, when.zone, now)}`,
  });
  if (added?.changed === true) await tellUnfired(ctx, added);
  tellHolidaysEnd(ctx, when, now + YEAR_MS);
  if (freshKeeper(await latestKeeper(platform), now) !== null) return;
  ctx.notice(`nothing fires it yet; add to a crontab: ${await crontabLine(ctx)}`);
}

const YEAR_MS = 365 * 86_400_000;

async function wouldChange(
  { store }: Pick<Platform, 'store'>,
  name: string,
  { spec, replace }: { readonly spec: ScheduleSpec; readonly replace: boolean },
): Promise<boolean> {
  const before = await readSchedule(store, name);
  const changes = before === null || !isSame(before, spec);
  if (before !== null && changes && !replace) throw taken(before);
  return changes;
}

/**
 * A period that never fires because of when the schedule was created or changed. Only this command can point it out.
 */
async function tellUnfired(ctx: Context, { before, schedule }: AddedSchedule): Promise<void> {
  const unfired = await unfiredBy(await ctx.platform(), before, schedule);
  if (unfired === null) return;
  const { name, zone, job } = schedule;
  const { period, at, fate } = unfired;
  const was = `${period} was due ${formatInstant(at, zone, ctx.clock.now())}`;
  const byHand = `run it with batchctl schedule run ${name} --period ${period}`;
  const said = {
    due: `${was} by these times, and did not run: the next round fires it`,
    missed: `${was} by these times, and did not run: ${byHand}`,
    before: `${was}, before this schedule was created, so it does not fire: ${byHand}`,
    dropped: `${was} by the previous times, did not run, and does not fire now: run it with batchctl submit ${job.file} --period ${period} --run-key ${runKeyOf(schedule, unfired)}`,
  } satisfies Record<typeof fate, string>;
  ctx.warn(said[fate]);
}
