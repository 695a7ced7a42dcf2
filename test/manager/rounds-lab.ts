import { BatchctlError } from '../../src/errors.ts';
import { addSchedule } from '../../src/jobs/schedules/schedules.ts';
import { Duties, type DutiesOptions } from '../../src/manager/duties.ts';
import type { LogLine } from '../../src/manager/log.ts';
import { Rounds, runManager } from '../../src/manager/manager.ts';
import type { Schedule, ScheduleSpec } from '../../src/model/schedule.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { describedVerbs } from '../support/manager/described-verbs.ts';
import { scheduleSpec } from '../support/schedules.ts';
import { until } from '../support/until.ts';

/** Fires every minute, and catches up an hour. */
export const MINUTELY = { cadence: { kind: 'cron', pattern: '* * * * *' }, catchUp: 3_600 } as const;

/** Adds a schedule of a job of one task: monthly unless `spec` says otherwise. */
export async function addTestSchedule(
  platform: Platform,
  name: string,
  spec: Partial<Omit<ScheduleSpec, 'job'>> = {},
): Promise<Schedule> {
  const added = await addSchedule(platform, name, { spec: scheduleSpec(spec), code: null, replace: false });
  return added.schedule;
}

/** The platform as it was so many milliseconds ago. */
export const inThePast = (platform: Platform, ms: number): Platform => ({
  ...platform,
  clock: { now: () => Date.now() - ms, monotonic: () => 0 },
});

/** For a store that does not respond. */
export function failUnavailable(): never {
  throw new BatchctlError('unavailable', 'the store is away');
}

/** A manager's rounds; what they log, and whether they hang, goes to `lines`. The caller starts and stops them. */
export const testRounds = (platform: Platform, lines: LogLine[]): Rounds =>
  new Rounds({
    platform,
    id: 'manager-here-1',
    log: (line) => lines.push(line),
    loopMs: 300_000,
    onHung: (error) => lines.push({ event: 'hung', level: 'warning', text: error.message, fields: {} }),
  });

/** A manager in this process, whose verbs answer `{}`. Resolves once it listens; `ended` settles when it has left. */
export async function startTestManager(
  platform: Platform,
  options: Pick<Parameters<typeof runManager>[0], 'signal' | 'log'>,
): Promise<{ readonly address: string; readonly ended: Promise<void> }> {
  const verbs = await describedVerbs();
  let address: string | null = null;
  const ended = runManager({
    platform,
    verbs: { ...verbs, call: async () => ({ answer: {}, exitCode: 0, error: null }) },
    signIn: null,
    listen: { host: '127.0.0.1', port: 0 },
    certificate: null,
    loopMs: 300_000,
    onListening: async (url) => {
      address = url;
    },
    ...options,
  });
  return { address: await Promise.race([until('the manager listens', () => address), ended.then(() => '')]), ended };
}

/** A manager's duties, which the test runs one by one. */
export const testDuties = (platform: Platform, lines: LogLine[], options: Partial<DutiesOptions> = {}): Duties =>
  new Duties({
    platform,
    id: 'manager-here-1',
    log: (line) => lines.push(line),
    signal: new AbortController().signal,
    nudge: () => undefined,
    onHung: (error) => {
      throw error;
    },
    ...options,
  });
