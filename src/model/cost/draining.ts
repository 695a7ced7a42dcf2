import { IDLE_EXIT } from '../idle-exit.ts';
import { UNKNOWN_SECONDS } from '../load.ts';
import { type NextMachine, startingCost } from './limit.ts';
import type { PaidMachine } from './paid-machine.ts';
import type { PriceAt } from './spending.ts';

export interface Draining {
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
