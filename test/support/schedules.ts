import { parseJobFile } from '../../src/jobs/spec/job-file.ts';
import type { ScheduledJob, ScheduleSpec } from '../../src/model/schedule.ts';
import type { Firing } from '../../src/model/schedule-times.ts';

/** One task without an input: what a schedule fires in tests. */
const ONE_TASK =
  'name: claims\ninput: { split: { by: range, from: 1, to: 1 } }\nsteps: [{ name: price, run: [cat] }]\n';

/** A schedule's spec: last business day, 18:00 UTC, unless said otherwise. */
export function scheduleSpec({
  job,
  ...over
}: Partial<Omit<ScheduleSpec, 'job'>> & { readonly job?: Partial<ScheduledJob> } = {}): ScheduleSpec {
  return {
    cadence: { kind: 'calendar', day: 'last', time: '18:00', holidays: [], monthBefore: false },
    zone: 'UTC',
    catchUp: 24 * 3_600,
    ...over,
    job: {
      ...{ spec: parseJobFile(ONE_TASK, { file: 'job.yaml' }), code: null, file: 'job.yaml' },
      ...{ directory: '/', inputs: [], inputDirectory: '/', params: {}, labels: {}, expectInputs: null },
      ...{ allowEmpty: false, finishBy: null, maxCost: null, awaitInput: 0 },
      ...job,
    },
  };
}

/** Each firing as its period and its instant in UTC: `2026-11 2026-11-30T18:00`. */
export function firingLines(firings: readonly Firing[]): readonly string[] {
  return firings.map((firing) => `${firing.period} ${new Date(firing.at).toISOString().slice(0, 16)}`);
}
