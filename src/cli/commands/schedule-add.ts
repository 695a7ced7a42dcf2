import { dirname, resolve } from 'node:path';
import { BatchctlError } from '../../errors.ts';
import { type CodeArchive, packCode } from '../../jobs/code-archive.ts';
import { refuseForeign } from '../../jobs/notify/receivers.ts';
import { requestOf } from '../../jobs/schedules/fire.ts';
import { unfiredBy } from '../../jobs/schedules/recent.ts';
import { type AddedSchedule, addSchedule, isSame, readSchedule, taken } from '../../jobs/schedules/schedules.ts';
import { needsNoInput } from '../../jobs/submit/inputs.ts';
import { settleSpec } from '../../jobs/submit/prepare.ts';
import { freshKeeper, latestKeeper } from '../../jobs/watch/round-memory.ts';
import { isS3Uri } from '../../model/s3-uri.ts';
import { runKeyOf, type ScheduledJob, type ScheduleSpec } from '../../model/schedule.ts';
import { firingsAfter, type When } from '../../model/schedule-times.ts';
import type { Platform } from '../../ports/platform.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { requireSaidProfile } from '../confirm.ts';
import type { Context } from '../context.ts';
import { formatInstant } from '../format.ts';
import { openJobFile } from '../open-job-file.ts';
import { answer } from '../render.ts';
import { firingText, iso, tellHolidaysEnd } from '../schedule-document.ts';
import {
  CADENCE_FLAGS,
  type CadenceInput,
  cadenceOf,
  DEFAULT_CATCH_UP,
  finishByOf,
  scheduleName,
} from '../schedule-flags.ts';
import { SUBMISSION_FLAGS, type SubmissionInput, submissionOf } from '../submission-flags.ts';
import { crontabLine } from '../submit-with-progress.ts';

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

type ScheduledInput = Omit<SubmissionInput, 'runKey' | 'existing' | 'again' | 'period' | 'at'>;

/**
 * The job that a schedule fires, with its files packed. Whatever a firing could only find out is checked now, but for the
 * inputs, which may not be there yet. Throws as a submission does; `usage` for an input that whoever fires it can't read.
 */
async function scheduledJob(
  ctx: Context,
  file: string,
  input: ScheduledInput,
  { name, when }: { readonly name: string; readonly when: When },
): Promise<{ readonly job: ScheduledJob; readonly code: CodeArchive | null }> {
  const spec = await openJobFile(ctx, file);
  const asked = { ...input, runKey: undefined, period: undefined, existing: false, again: false, finishBy: undefined };
  const request = await submissionOf(ctx, spec, file, asked);
  const { inputs, inputDirectory, params, labels, expectInputs, allowEmpty, maxCost = null } = request;
  const directory = dirname(resolve(ctx.io.cwd, file));
  const code = request.code === undefined ? await packCode(directory, spec.files) : request.code;
  const job: ScheduledJob = {
    ...{ spec, code: code?.sha256 ?? null, file, directory, inputs, inputDirectory, params, labels, expectInputs },
    ...{ allowEmpty, maxCost, awaitInput: input.awaitInput ?? 0 },
    finishBy: input.finishBy === undefined ? null : finishByOf(input.finishBy),
  };
  const [first] = firingsAfter(when, ctx.clock.now(), 1);
  if (first === undefined) throw new BatchctlError('usage', 'it never fires: no such time is to come');
  const { attachments = null } = request;
  const fired = { ...requestOf({ name, job, zone: when.zone }, first, code), attachments };
  const { spec: settled, place } = settleSpec(fired);
  const remote = attachments !== null || (await ctx.platform()).remote === true;
  refuseForeign(settled, remote);
  refuseUnreachable(settled, remote, place);
  return { job, code };
}

/** Nobody knows who will fire it: on this machine anyone can read its files, elsewhere only what lies in the cloud. */
function refuseUnreachable(
  { input }: Pick<ScheduledJob['spec'], 'input'>,
  remote: boolean,
  place: string | null,
): void {
  if (input === null) {
    throw new BatchctlError('jobFile', 'the job has no input: field, which says how to split', {
      hint: 'batchctl job schema',
    });
  }
  const names = needsNoInput(input.split) ? [] : input.from;
  if (names.length === 0 && !needsNoInput(input.split)) {
    throw new BatchctlError('usage', 'the job file names no input.from', { hint: 'give one: --input store:KEY' });
  }
  if (names.includes('-')) throw new BatchctlError('usage', '--input -: nothing comes through a pipe when it fires');
  if (!remote) return;
  const own = names.find((name) => !/^(store|job):/.test(name) && !isS3Uri(name));
  if (own !== undefined) {
    throw new BatchctlError(
      'usage',
      `the input ${own} is a file of this machine, and whoever fires it may be on another`,
      {
        hint: 'batchctl upload puts it into the store: name it store:KEY, or s3://BUCKET/KEY, or job:JOB/STEP',
      },
    );
  }
  if (place !== null && !isS3Uri(place)) {
    throw new BatchctlError(
      'usage',
      `deliver.to ${place} is a directory of this machine, and whoever fires it may be on another`,
      {
        hint: 'deliver to s3://BUCKET/PREFIX/',
      },
    );
  }
}
