import { isBatchctlError } from '../../errors.ts';
import { once } from '../../lib/once.ts';
import { totalMessages } from '../../model/backlog.ts';
import type { GroupStatus } from '../../model/group-status.ts';
import type { StepLoad } from '../../model/load.ts';
import { hasStarted } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { loadsOf } from '../demand.ts';
import type { Sighting } from '../keeper-mark.ts';
import { runningViews } from '../open-jobs.ts';
import { knownGroups } from './queues.ts';

/** A group whose size was reduced, because its launches hang and nothing waits for them. */
export interface GroupLowering {
  readonly group: string;
  readonly from: number;
  readonly to: number;
  /** On-demand instances that remain, as configured, after those that replaced spot ended. Null: there were none. */
  readonly onDemand: number | null;
}

export interface LowerResult {
  readonly lowered: readonly GroupLowering[];
  /** Groups that lack instances although nothing waits, each since when: for the next round. */
  readonly short: ReadonlyMap<string, Sighting>;
}

/**
 * Milliseconds that a group may lack instances and have no work: about as long as an idle worker stays, and until a
 * queue's counts (SQS: approximate, up to a minute late) are correct.
 */
const SHORT_MS = 10 * 60_000;

/**
 * Lowers the desired size to the instances in service if nothing waits (law 9). Otherwise launches that hang for lack
 * of capacity would succeed hours later, without work. Ends on-demand replacements of spot, too. Needs two rounds with
 * the same result, so only a manager or tick does this. Terminates nothing.
 */
export async function lowerIdle(
  platform: Platform,
  before: ReadonlyMap<string, Sighting>,
  onTrouble: (group: string, error: unknown) => void,
): Promise<LowerResult> {
  const [lowered, short]: [GroupLowering[], Map<string, Sighting>] = [[], new Map()];
  if (!platform.workplace.sizesGroups) return { lowered, short };
  const now = platform.clock.monotonic();
  const loads = once(() => readLoads(platform));
  for (const name of await knownGroups(platform)) {
    try {
      const group = await platform.group(name);
      // Read the size before the work: work that raised it was submitted earlier.
      const status = await group.describe();
      const standsIn = status.mode === 'auto' && status.until === null && hasStandIns(status);
      if (!(isBelowDesired(status) || standsIn) || !(await hasNoWork(platform, name, loads))) continue;
      const is = standsIn ? `${status.desired} ${status.onDemand?.base}` : String(status.desired);
      const known = before.get(name);
      const since = known?.is === is ? known.since : now;
      const after = now - since >= SHORT_MS ? await group.lower(status) : status;
      const onDemand = standsIn && !hasStandIns(after) ? (after.onDemand?.usual ?? null) : null;
      if (after.desired < status.desired || onDemand !== null)
        lowered.push({ group: name, from: status.desired, to: after.desired, onDemand });
      else short.set(name, { is, since });
    } catch (error) {
      if (!isBatchctlError(error)) throw error;
      onTrouble(name, error);
    }
  }
  return { lowered, short };
}

export const loweredText = ({ group, from, to, onDemand }: GroupLowering): string =>
  `group ${group}: requested ${to} (${from} before${onDemand === null ? '' : `; ${onDemand} on demand again, the rest spot`}), as no more work is waiting`;

const isBelowDesired = ({ mode, until, desired, min, machines }: GroupStatus): boolean =>
  mode === 'auto' && until === null && machines !== undefined && desired > Math.max(min, machines.inService);

const hasStandIns = ({ onDemand }: GroupStatus): boolean => onDemand !== undefined && onDemand.raisedAt !== null;

type Loads = readonly StepLoad[];

async function readLoads(platform: Platform): Promise<Loads> {
  const now = platform.clock.now();
  return loadsOf(
    platform,
    (await runningViews(platform)).filter((view) => hasStarted(view, now)),
  );
}

async function hasNoWork(platform: Platform, group: string, loads: () => Promise<Loads>): Promise<boolean> {
  if (totalMessages(await (await platform.queue(group)).readCounts()) > 0) return false;
  return !(await loads()).some((load) => load.group === group && load.tasks > 0);
}
