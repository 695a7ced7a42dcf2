import { parseJobFile } from '../../src/jobs/spec/job-file.ts';
import { runKeyOfClaim } from '../../src/model/keys.ts';
import type { Schedule, ScheduledJob, ScheduleSpec } from '../../src/model/schedule.ts';
import { type Cadence, type Firing, firingsBetween } from '../../src/model/schedule-times.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { keysBelow } from './stored.ts';

/** The job file of the tests' schedules: one task, no input. */
const ONE_TASK =
  'name: claims\ninput: { split: { by: range, from: 1, to: 1 } }\nsteps: [{ name: price, run: [cat] }]\n';

/** A schedule for the last business day of the month at 18:00 UTC, with these changes. */
export function scheduleSpec({
  job,
  ...fields
}: Partial<Omit<ScheduleSpec, 'job'>> & { readonly job?: Partial<ScheduledJob> } = {}): ScheduleSpec {
  return {
    cadence: { kind: 'calendar', day: 'last', time: '18:00', holidays: [], monthBefore: false },
    zone: 'UTC',
    catchUp: 24 * 3_600,
    ...fields,
    job: {
      spec: parseJobFile(ONE_TASK, { file: 'job.yaml' }),
      code: null,
      file: 'job.yaml',
      directory: '/',
      inputs: [],
      inputDirectory: '/',
      params: {},
      labels: {},
      expectInputs: null,
      allowEmpty: false,
      finishBy: null,
      maxCost: null,
      awaitInput: 0,
      ...job,
    },
  };
}

/** Each firing as its period and its instant in UTC: `2026-11 2026-11-30T18:00`. */
export function firingLines(firings: readonly Firing[]): readonly string[] {
  return firings.map((firing) => `${firing.period} ${new Date(firing.at).toISOString().slice(0, 16)}`);
}

/** A year, and schedules that many hosts fire in it. */
export const YEAR = { from: Date.parse('2026-01-01T00:00:00Z'), until: Date.parse('2027-01-01T00:00:00Z') };
export const YEAR_SCHEDULES: Readonly<Record<string, Cadence>> = {
  'month-end': { kind: 'calendar', day: 'last', time: '18:00', holidays: ['2026-12-31'], monthBefore: false },
  closing: { kind: 'calendar', day: 3, time: '06:00', holidays: [], monthBefore: true },
  weekly: { kind: 'cron', pattern: '0 7 * * 1' },
  // In London, the clock skips 01:30 once in March, and shows it twice once in October.
  nightly: { kind: 'cron', pattern: '30 1 * 3,10 *' },
};

/** The run keys of a schedule's firings after one instant up to another. */
export const runKeysOf = (schedule: Schedule, from: number, until: number): readonly string[] =>
  firingsBetween(schedule, from, until).map(({ period }) => `${schedule.name}@${period}`);

/** The claimed run keys, sorted; a key that was claimed twice occurs twice. */
export async function claimedRuns({ store }: Platform): Promise<readonly string[]> {
  return (await keysBelow(store, 'runs/')).map((key) => runKeyOfClaim(key) ?? key).sort();
}

/** The number of jobs with any object in the store, including those that lost a race. */
export async function jobCount({ store }: Platform): Promise<number> {
  return new Set((await keysBelow(store, 'jobs/')).map((key) => key.split('/')[1])).size;
}

/** A handler for schedules that can't be read: throws. */
export const fail = (name: string, error: unknown): never => {
  throw new Error(`${name}: ${error}`);
};
