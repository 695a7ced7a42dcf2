import * as v from 'valibot';
import { BatchctlError } from '../errors.ts';
import { type CodeArchive, packCode } from '../jobs/code-archive.ts';
import { freshKeeper, latestKeeper } from '../jobs/keeper-mark.ts';
import { refuseLocalReceivers } from '../jobs/receivers.ts';
import { requestOf } from '../jobs/schedules/fire.ts';
import { findUnfired } from '../jobs/schedules/recent.ts';
import { type AddedSchedule as Added, addSchedule, isSame, readSchedule, taken } from '../jobs/schedules/schedules.ts';
import { needsNoInput } from '../jobs/submit/inputs.ts';
import { resolveSpec } from '../jobs/submit/prepare.ts';
import { formatInstant, isoOf } from '../lib/instant.ts';
import { parsePairs } from '../lib/units.ts';
import type { AddedSchedule } from '../model/answers/schedules.ts';
import { NAME_PATTERN } from '../model/keys.ts';
import { isS3Uri } from '../model/s3-uri.ts';
import { runKeyOf, type ScheduledJob, type ScheduleSpec } from '../model/schedule.ts';
import {
  type Cadence,
  checkCron,
  firingsAfter,
  parseCalendar,
  parseHolidays,
  type ZonedCadence,
} from '../model/schedule-times.ts';
import type { Platform } from '../ports/platform.ts';
import type { VerbContext } from './context.ts';
import { duration } from './job.ts';
import { finishByOf, timeOfDay } from './parse-time.ts';
import { noticeHolidaysEnd } from './schedules.ts';
import { checkSubmission, SUBMISSION_FIELDS } from './submission.ts';
import { changing, field, fileField, flag, option, text, verb } from './verb.ts';

const { input, set, label, maxCost, expectInputs, awaitInput, allowEmpty, allowIncomplete } = SUBMISSION_FIELDS;

const INPUT = v.strictObject({
  name: field('<name>', 'name of the schedule; the run key is <name>@<period>', text),
  jobfile: fileField(
    '<jobfile>',
    'job file, YAML or JSON; the schedule stores it and its files as they are now',
    'job',
  ),
  cron: option('--cron <pattern>', 'five fields: "30 18 L * *" is 18:30 on the last day of each month', text),
  calendar: option('--calendar <day>', 'a business day of each month: last-business-day or nth-business-day:3', text),
  time: option('--time <time>', 'with --calendar: the time of day (default: 18:00)', text),
  holidays: v.optional(
    fileField('--holidays <file>', 'with --calendar: a file of dates that are not business days, one per line', 'text'),
  ),
  monthBefore: option(
    '--month-before',
    'with --calendar: {period} is the month before the one in which the schedule fires',
    flag,
    false,
  ),
  catchUp: option('--catch-up <duration>', 'how late a missed firing may still run (default: 24h)', duration),
  input,
  set,
  label,
  finishBy: option(
    '--finish-by <time>',
    'deadline of each firing: "in 6h", 06:00 (the next one after the due time), "tomorrow 06:00"',
    text,
  ),
  maxCost,
  expectInputs,
  awaitInput,
  allowEmpty,
  allowIncomplete,
  replace: option('--replace', 'replace the existing schedule of that name', flag, false),
});

type Input = v.InferOutput<typeof INPUT>;

/** Reported if nothing has fired schedules lately: a manager or tick must be started. */
interface NoKeeperEvent {
  readonly event: 'unkept';
}

/** Seconds. */
const DEFAULT_CATCH_UP = 24 * 3_600;
const YEAR_MS = 365 * 86_400_000;

/** Creates or replaces a schedule. Throws like a submission, and `refused` if the name is taken. */
export const scheduleAdd = verb<NoKeeperEvent>()({
  name: 'schedule add',
  ...changing('POST', '/schedules'),
  input: INPUT,
  answer: async () => (await import('../model/answers/schedules.ts')).ADDED_SCHEDULE,
  repeatable: () => true,
  async run(context, asked): Promise<AddedSchedule> {
    const name = scheduleName(asked.name);
    const when = { cadence: await cadenceOf(context, asked), zone: await context.zone() };
    const { job, code } = await scheduledJob(context, asked, { name, when });
    const spec: ScheduleSpec = { ...when, catchUp: asked.catchUp ?? DEFAULT_CATCH_UP, job };
    const { replace } = asked;
    const platform = await context.platform();
    const added = context.dryRun ? null : await addSchedule(platform, name, { spec, code, replace });
    const changed = added?.changed ?? (await wouldChange(platform, name, { spec, replace }));
    const now = context.clock.now();
    const [next] = firingsAfter(when, now, 1);
    if (added?.changed === true) await warnOfUnfired(context, added);
    noticeHolidaysEnd(context, when, now + YEAR_MS);
    if (freshKeeper(await latestKeeper(platform), now) === null) context.report({ event: 'unkept' });
    return { schedule: name, changed, next: next === undefined ? null : { period: next.period, at: isoOf(next.at) } };
  },
});

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

/** Reports a period that never fires because the schedule was created or changed too late for it. */
async function warnOfUnfired(
  context: Pick<VerbContext, 'platform' | 'clock' | 'warn'>,
  { before, schedule }: Added,
): Promise<void> {
  const unfired = await findUnfired(await context.platform(), before, schedule);
  if (unfired === null) return;
  const { name, zone, job } = schedule;
  const { period, at, fate } = unfired;
  const was = `${period} was due ${formatInstant(at, zone, context.clock.now())}`;
  const byHand = `run it with batchctl schedule run ${name} --period ${period}`;
  const said = {
    due: `${was} by these times, and did not run: the next round fires it`,
    missed: `${was} by these times, and did not run: ${byHand}`,
    before: `${was}, before this schedule was created, so it does not fire: ${byHand}`,
    dropped: `${was} by the previous times, did not run, and does not fire now: run it with batchctl submit ${job.file} --period ${period} --run-key ${runKeyOf(schedule, unfired)}`,
  } satisfies Record<typeof fate, string>;
  context.warn(said[fate]);
}

/**
 * The job that a schedule fires, with its files packed. Checks everything that could make a firing fail, except its
 * inputs, which may not exist yet. Throws as a submission does; `usage` for an input that a firing on another machine
 * can't read.
 */
async function scheduledJob(
  context: VerbContext<NoKeeperEvent>,
  asked: Input,
  { name, when }: { readonly name: string; readonly when: ZonedCadence },
): Promise<{ readonly job: ScheduledJob; readonly code: CodeArchive | null }> {
  const { jobfile: file, finishBy, awaitInput = 0, expectInputs = null, maxCost = null, allowEmpty } = asked;
  const spec = await context.files.job(file);
  await checkSubmission(context, spec, asked);
  const { directory, inputDirectory, attachments = null, code: sent } = await context.files.source(file, spec);
  const [params, labels] = [parsePairs('--set', asked.set), parsePairs('--label', asked.label)];
  const code = sent === undefined ? await packCode(directory, spec.files) : sent;
  for (const text of code?.leftOut ?? []) context.warn(text);
  const job: ScheduledJob = {
    spec,
    code: code?.sha256 ?? null,
    file,
    directory,
    inputs: asked.input,
    inputDirectory,
    params,
    labels,
    expectInputs,
    allowEmpty,
    allowIncomplete: asked.allowIncomplete,
    maxCost,
    awaitInput,
    finishBy: finishBy === undefined ? null : finishByOf(finishBy),
  };
  const [first] = firingsAfter(when, context.clock.now(), 1);
  if (first === undefined) throw new BatchctlError('usage', 'it never fires: no future time matches');
  const fired = { ...requestOf({ name, job, zone: when.zone }, first, code), attachments };
  const { spec: settled, place } = resolveSpec(fired);
  const elsewhere = attachments !== null || !(await context.platform()).workplace.sharesFiles;
  if (elsewhere) refuseLocalReceivers(settled);
  refuseUnreachable(settled, elsewhere, place);
  return { job, code };
}

/** Any host may fire it: a local profile's hosts can all read local files, others only what is in the cloud. */
function refuseUnreachable(
  { input }: Pick<ScheduledJob['spec'], 'input'>,
  remote: boolean,
  place: string | null,
): void {
  if (input === null) {
    throw new BatchctlError('jobFile', 'the job has no input: field, which says how to split', {
      hint: 'batchctl schema job',
    });
  }
  const names = needsNoInput(input.split) ? [] : input.from;
  if (names.length === 0 && !needsNoInput(input.split)) {
    throw new BatchctlError('usage', 'the job file names no input.from', { hint: 'give one: --input store:KEY' });
  }
  if (names.includes('-')) throw new BatchctlError('usage', '--input -: a schedule has no stdin to read');
  if (!remote) return;
  const own = names.find((name) => !/^(store|job):/.test(name) && !isS3Uri(name));
  if (own !== undefined) {
    throw new BatchctlError(
      'usage',
      `the input ${own} is a file of this machine, but the schedule may fire on another`,
      { hint: 'upload it with batchctl upload and use store:KEY, or use s3://BUCKET/KEY or job:JOB/STEP' },
    );
  }
  if (place !== null && !isS3Uri(place)) {
    throw new BatchctlError(
      'usage',
      `deliver.to ${place} is a directory of this machine, but the schedule may fire on another`,
      { hint: 'deliver to s3://BUCKET/PREFIX/' },
    );
  }
}

const DEFAULT_TIME = '18:00';

/** Reads the holidays file. Throws `usage`, and `notFound` if that file doesn't exist. */
async function cadenceOf(
  { files }: Pick<VerbContext, 'files'>,
  { cron, calendar, time, holidays, monthBefore }: Input,
): Promise<Cadence> {
  if ((cron === undefined) === (calendar === undefined)) {
    throw new BatchctlError(
      'usage',
      `expected either --cron or --calendar, found ${cron === undefined ? 'none' : 'both'}`,
      { hint: '--cron "30 18 L * *", or --calendar last-business-day' },
    );
  }
  if (cron !== undefined) {
    const flags = { '--time': time, '--holidays': holidays, '--month-before': monthBefore || undefined };
    const [other] = Object.entries(flags).filter(([, value]) => value !== undefined);
    if (other !== undefined)
      throw new BatchctlError('usage', `${other[0]} can be used with --calendar, not with --cron`);
    return { kind: 'cron', pattern: checkCron(cron) };
  }
  return {
    kind: 'calendar',
    day: parseCalendar(calendar ?? ''),
    time: timeOfDay('--time', time ?? DEFAULT_TIME),
    holidays: holidays === undefined ? [] : parseHolidays(await files.text('--holidays', holidays), holidays),
    monthBefore,
  };
}

/** Checks the name of a schedule. Throws `usage`. */
function scheduleName(text: string): string {
  if (NAME_PATTERN.test(text) && text !== 'last') return text;
  throw new BatchctlError(
    'usage',
    `expected a name of at most 40 lower-case letters, digits and hyphens, found "${text}"`,
    { hint: 'batchctl schedule add month-end job.yaml --calendar last-business-day' },
  );
}
