import type { Schedule } from '../../model/schedule.ts';
import type { Firing } from '../../model/schedule-times.ts';

/** The longest time for which a firing isn't looked at, milliseconds. */
const LONGEST_HOLD_MS = 900_000;

/**
 * For how many milliseconds a firing isn't looked at whose inputs were missing at `now`: a tenth of the time that it has waited,
 * so that it starts that much later at most. Never beyond the end of waiting for inputs, nor near the end of the catch-up,
 * where a look that is left out would be the last one.
 */
export function holdOf(schedule: Pick<Schedule, 'catchUp' | 'job'>, { at }: Firing, now: number): number {
  const hold = Math.min(LONGEST_HOLD_MS, (now - at) / 10);
  const [awaitedUntil, lapsesAt] = [at + schedule.job.awaitInput * 1_000, at + schedule.catchUp * 1_000];
  if (now + 2 * hold >= lapsesAt) return 0;
  return Math.max(0, now < awaitedUntil ? Math.min(hold, awaitedUntil - now) : hold);
}

interface Held<Outcome> {
  readonly outcome: Outcome;
  /** Milliseconds since the epoch. */
  readonly from: number;
  readonly until: number;
}

/** Firings that wait for missing inputs, with what the last look at each found, for the rounds of one process. */
export class HeldFirings<Outcome> {
  readonly #schedules = new Map<string, { readonly text: string; readonly held: Map<string, Held<Outcome>> }>();

  /** The result of the last look if the next one is not due yet; null: look. A changed schedule is looked at afresh. */
  find(schedule: Schedule, { period }: Firing, now: number): Outcome | null {
    const held = this.#heldOf(schedule).get(period);
    // The clock may have been set back.
    return held !== undefined && now >= held.from && now < held.until ? held.outcome : null;
  }

  hold(schedule: Schedule, firing: Firing, outcome: Outcome, now: number): void {
    this.#heldOf(schedule).set(firing.period, { outcome, from: now, until: now + holdOf(schedule, firing, now) });
  }

  /** Forgets the firings of a schedule that are not due. */
  keepOnly(schedule: Schedule, due: readonly Firing[]): void {
    const held = this.#heldOf(schedule);
    const periods = new Set(due.map(({ period }) => period));
    for (const period of held.keys()) if (!periods.has(period)) held.delete(period);
  }

  #heldOf(schedule: Schedule): Map<string, Held<Outcome>> {
    const { name, when, who } = schedule;
    const text = `${when} ${who}`;
    const known = this.#schedules.get(name);
    if (known?.text === text) return known.held;
    const held = new Map<string, Held<Outcome>>();
    this.#schedules.set(name, { text, held });
    return held;
  }
}
