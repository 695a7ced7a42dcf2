import { nullIfUnreadable } from '../../errors.ts';
import type { JobState } from '../../model/job-state.ts';
import { dueFirings, isWithinPause, runKeyOf, type Schedule } from '../../model/schedule.ts';
import { type Firing, firingsAfter, firingsBefore } from '../../model/schedule-times.ts';
import { stateOf } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { readView } from '../journal.ts';
import { existingRun } from '../run-keys.ts';
import { findRanPeriods } from './fire.ts';

/** A period's state: that of its job, or without a job: `due` for the next round, `missed`, or held back by a pause. */
type PeriodState = JobState | 'due' | 'missed' | 'paused';

export interface Period extends Firing {
  readonly state: PeriodState;
  /** Null if there is no job, or it was removed. */
  readonly job: string | null;
}

/** The state and job of a run key, if the caller knows them: they need not be read. */
type KnownRun = (runKey: string) => Pick<Period, 'state' | 'job'> | undefined;

/** The last `count` periods, newest first: those since the schedule was created, and earlier ones that a person ran. */
export async function recentPeriods(
  platform: Pick<Platform, 'store' | 'clock'>,
  schedule: Schedule,
  count: number,
  known: KnownRun = () => undefined,
): Promise<readonly Period[]> {
  const now = platform.clock.now();
  const firings = firingsBefore(schedule, now, count);
  const ran = await findRanPeriods(platform.store, schedule, firings);
  const own = firings.filter(({ period, at }) => ran.has(period) || at > schedule.since);
  return Promise.all(
    own.map(async (firing): Promise<Period> => {
      if (ran.has(firing.period)) {
        const run = known(runKeyOf(schedule, firing)) ?? (await jobOf(platform, schedule, firing));
        return { ...firing, ...run };
      }
      if (isWithinPause(schedule, firing)) return { ...firing, state: 'paused', job: null };
      const late = now - firing.at >= schedule.catchUp * 1_000;
      if (late) return { ...firing, state: 'missed', job: null };
      return { ...firing, state: schedule.paused === null ? 'due' : 'paused', job: null };
    }),
  );
}

async function jobOf(
  { store }: Pick<Platform, 'store'>,
  schedule: Schedule,
  firing: Firing,
): Promise<Pick<Period, 'state' | 'job'>> {
  const run = await existingRun({ store }, runKeyOf(schedule, firing));
  const view = run === null ? null : await readView(store, run.claim.job).catch(nullIfUnreadable);
  return { state: view === null ? 'submitted' : stateOf(view), job: run?.claim.job ?? null };
}

/** The next `count` periods; `job` is null unless a person ran the period early. */
export async function comingPeriods(
  { store, clock }: Pick<Platform, 'store' | 'clock'>,
  schedule: Schedule,
  count: number,
): Promise<readonly (Firing & { readonly job: string | null })[]> {
  const coming = firingsAfter(schedule, clock.now(), count);
  const ran = await findRanPeriods(store, schedule, coming);
  return Promise.all(
    coming.map(async (firing) => {
      const run = ran.has(firing.period) ? await existingRun({ store }, runKeyOf(schedule, firing)) : null;
      return { ...firing, job: run?.claim.job ?? null };
    }),
  );
}

/**
 * A period that was due when a schedule was created or changed, and that did not run. `due`: the next round fires it ·
 * `missed`: its time is too long ago · `before`: it precedes the schedule · `dropped`: the new pattern doesn't include
 * its time.
 */
interface Unfired extends Firing {
  readonly fate: 'due' | 'missed' | 'before' | 'dropped';
}

/** The last period that a change would silently drop; null for none. `before`: the replaced schedule. */
export async function findUnfired(
  { store, clock }: Pick<Platform, 'store' | 'clock'>,
  before: Schedule | null,
  schedule: Schedule,
): Promise<Unfired | null> {
  const now = clock.now();
  const found =
    schedule.cadence.kind === 'calendar'
      ? unfiredByCalendar(schedule, now)
      : before === null
        ? null
        : unfiredByPattern(before, schedule, now);
  if (found === null) return null;
  return (await findRanPeriods(store, schedule, [found])).has(found.period) ? null : found;
}

function unfiredByCalendar(schedule: Schedule, now: number): Unfired | null {
  const [last] = firingsBefore(schedule, now, 1);
  if (last === undefined || schedule.paused !== null || isWithinPause(schedule, last)) return null;
  const isLate = now - last.at >= schedule.catchUp * 1_000;
  if (last.at <= schedule.since) return isLate ? null : { ...last, fate: 'before' };
  return { ...last, fate: isLate ? 'missed' : 'due' };
}

function unfiredByPattern(before: Schedule, { since }: Schedule, now: number): Unfired | null {
  const last = dueFirings(before, now).at(-1);
  return last === undefined || last.at > since || before.since === since ? null : { ...last, fate: 'dropped' };
}
