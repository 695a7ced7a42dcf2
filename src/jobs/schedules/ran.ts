import { runOf } from '../../model/keys.ts';
import { runKeyOf, type Schedule } from '../../model/schedule.ts';
import type { Firing } from '../../model/schedule-times.ts';
import type { ObjectStore } from '../../ports/object-store.ts';

/** Which of a schedule's firings ran already, by period: one listing, however many they are. */
export async function ranAlready(
  store: Pick<ObjectStore, 'keys'>,
  schedule: Pick<Schedule, 'name'>,
  firings: readonly Firing[],
): Promise<ReadonlySet<string>> {
  const ran = new Set<string>();
  // Periods sort as their times do.
  const keys = firings.map((firing) => `runs/${runKeyOf(schedule, firing)}/`).sort();
  const [from, last] = [keys[0], keys.at(-1)];
  if (from === undefined || last === undefined) return ran;
  const prefix = `${schedule.name}@`;
  // '0' is the character after '/': past the last one's claims.
  for await (const key of store.keys(`runs/${prefix}`, { from, to: last.replace(/\/$/, '0') })) {
    const run = runOf(key);
    if (run !== null) ran.add(run.slice(prefix.length));
  }
  return ran;
}
