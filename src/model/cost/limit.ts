import { PACE } from '../capacity.ts';
import { IDLE_EXIT } from '../idle-exit.ts';
import { UNKNOWN_SECONDS } from '../load.ts';

/** How a job, or a stack's month, stands to a limit. US dollars. */
export interface Standing {
  readonly limit: number;
  readonly soFar: number;
  /** What it costs to let what runs end. */
  readonly draining: number;
}

/** True at the limit less the cost of draining: what runs can still end within it, and nothing more may begin. */
export function isReached({ limit, soFar, draining }: Standing): boolean {
  return soFar + draining >= limit;
}

/** What is left to start anything with. */
export const leftOf = ({ limit, soFar, draining }: Standing): number => Math.max(0, limit - soFar - draining);

/** The least that one more machine costs: it boots, runs a task, idles and leaves. `price`: an hour's. */
export function leastOfOne(price: number, taskSeconds: number | null): number {
  return (price * (PACE.boot + (taskSeconds ?? UNKNOWN_SECONDS) + IDLE_EXIT)) / 3_600;
}

/** How many more machines can be started for what is left: none where a price isn't known. */
export function machinesFor(left: number, price: number | null, taskSeconds: number | null): number {
  if (price === null) return 0;
  const least = leastOfOne(price, taskSeconds);
  // A machine that costs nothing takes nothing away; nor does adding up fractions.
  return least === 0 ? Number.MAX_SAFE_INTEGER : Math.floor(left / least + 1e-9);
}
