import { dueFirings, fellIntoPause, type Schedule } from '../../model/schedule.ts';
import { type Firing, firingsBefore } from '../../model/schedule-times.ts';
import type { Platform } from '../../ports/platform.ts';
import { ranAlready } from './ran.ts';

/**
 * A period that was due as a schedule was made or changed, and that did not run. `due`: the next round fires it · `missed`:
 * by its times it lies too far back · `before`: the schedule is younger · `dropped`: other times than the pattern's now.
 */
export interface Unfired extends Firing {
  readonly fate: 'due' | 'missed' | 'before' | 'dropped';
}

/** The last of those that a change leaves, which else nobody would miss; null for none. `before`: what it replaced. */
export async function unfiredBy(
  { store, clock }: Pick<Platform, 'store' | 'clock'>,
  before: Schedule | null,
  schedule: Schedule,
): Promise<Unfired | null> {
  const now = clock.now();
  const found =
    schedule.cadence.kind === 'calendar'
      ? ofCalendar(schedule, now)
      : before === null
        ? null
        : ofPattern(before, schedule, now);
  if (found === null) return null;
  return (await ranAlready(store, schedule, [found])).has(found.period) ? null : found;
}

function ofCalendar(schedule: Schedule, now: number): Unfired | null {
  const [last] = firingsBefore(schedule, now, 1);
  if (last === undefined || schedule.paused !== null || fellIntoPause(schedule, last)) return null;
  const isLate = now - last.at >= schedule.catchUp * 1_000;
  if (last.at <= schedule.since) return isLate ? null : { ...last, fate: 'before' };
  return { ...last, fate: isLate ? 'missed' : 'due' };
}

function ofPattern(before: Schedule, { since }: Schedule, now: number): Unfired | null {
  const last = dueFirings(before, now).at(-1);
  return last === undefined || last.at > since || before.since === since ? null : { ...last, fate: 'dropped' };
}
