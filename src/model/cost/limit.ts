import { IDLE_EXIT } from '../idle-exit.ts';

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

/** True where nothing is up, and what is left starts no machine: nothing would happen until somebody raises the limit. */
export function isStuck(standing: Standing, least: number): boolean {
  return standing.draining === 0 && leftOf(standing) < least;
}

/** What is left to start anything with. */
export const leftOf = ({ limit, soFar, draining }: Standing): number => Math.max(0, limit - soFar - draining);

/** Seconds that a machine must work for to be worth its start: less, and most of what it costs is to boot and to idle. */
const WORTH = 600;

/** A group's next machine. */
export interface NextMachine {
  /** US dollars an hour. */
  readonly price: number;
  /** Seconds that it boots, by what was measured. */
  readonly boot: number;
}

/** What a machine costs that boots, idles and leaves. */
export const startingCost = ({ price, boot }: NextMachine): number => (price * (boot + IDLE_EXIT)) / 3_600;

/** The least for which one more machine is worth starting: it works for ten minutes, and for two tasks. */
export function leastOfOne(next: NextMachine, taskSeconds: number | null): number {
  return startingCost(next) + workingCost(next, taskSeconds);
}

/** What of that its work is: reserved for machines that boot. */
export const workingCost = ({ price }: NextMachine, taskSeconds: number | null): number =>
  (price * Math.max(WORTH, 2 * (taskSeconds ?? 0))) / 3_600;

/** How many more machines can be started for what is left. */
export function machinesFor(left: number, next: NextMachine, taskSeconds: number | null): number {
  const least = leastOfOne(next, taskSeconds);
  // A machine that costs nothing takes nothing away; nor does adding up fractions.
  return least === 0 ? Number.MAX_SAFE_INTEGER : Math.max(0, Math.floor(left / least + 1e-9));
}
