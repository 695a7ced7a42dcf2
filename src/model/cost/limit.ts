import { IDLE_EXIT } from '../capacity.ts';
import { UNKNOWN_SECONDS } from '../load.ts';
import type { PaidMachine, PriceAt } from './spending.ts';

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

interface Draining {
  readonly machines: readonly PaidMachine[];
  readonly groups: ReadonlySet<string>;
  /** Of which jobs' attempts the end is waited for. */
  readonly isOurs: (job: string) => boolean;
  /** How many jobs with work share the machine's groups: what idles or boots there is a share of each. */
  readonly sharers: (groups: readonly string[]) => number;
  /** Machines that are asked for and have no worker yet, by group. */
  readonly booting: ReadonlyMap<string, number>;
  /** What one of them costs; null where nobody knows. */
  readonly nextIn: (group: string) => NextMachine | null;
  /** Mean seconds of a task, null while nobody knows. */
  readonly secondsOf: (job: string, step: string) => number | null;
  readonly priceAt: PriceAt;
}

/**
 * What it costs to let all that runs of some jobs end, and their machines leave: each attempt takes as long as its step's
 * mean from now (how long it runs already is not told), then its machine idles. What is asked for and has no worker yet
 * boots, idles and leaves. Of a machine that runs other jobs too it is their share. Null where a price isn't known.
 */
export function drainingCost(draining: Draining): number | null {
  let usd = 0;
  for (const machine of draining.machines) {
    const seconds = secondsLeft(machine, draining);
    if (seconds === 0) continue;
    const price = draining.priceAt(machine.machine);
    if (price === null) return null;
    usd += (price * seconds) / 3_600;
  }
  for (const group of draining.groups) {
    const booting = draining.booting.get(group) ?? 0;
    if (booting === 0) continue;
    const next = draining.nextIn(group);
    if (next === null) return null;
    usd += (startingCost(next) * booting) / draining.sharers([group]);
  }
  return usd;
}

function secondsLeft({ up, groups, busy }: PaidMachine, { groups: of, isOurs, secondsOf, sharers }: Draining): number {
  if (!up || !groups.some((group) => of.has(group))) return 0;
  if (busy.length === 0) return IDLE_EXIT / sharers(groups);
  const ours = busy.map((task) => task.split('/')).filter(([job = '']) => isOurs(job));
  if (ours.length === 0) return 0;
  const longest = Math.max(...ours.map(([job = '', step = '']) => secondsOf(job, step) ?? UNKNOWN_SECONDS));
  return (longest + IDLE_EXIT) * (ours.length / busy.length);
}
