import { ALIVE_LEASES, machinesOf, type PaidMachine } from '../../model/cost/paid-machine.ts';
import { priceOf } from '../../model/cost/price.ts';
import type { PriceAt } from '../../model/cost/spending.ts';
import type { Platform } from '../../ports/platform.ts';
import type { GroupPrices } from '../../ports/worker-group.ts';

/** What costs are worked out from, as of one moment. */
export interface CostGround {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** The machines that were up since a moment, in any group. */
  readonly machines: readonly PaidMachine[];
  /** Of the groups that were asked for and whose machines cost something. */
  readonly prices: ReadonlyMap<string, GroupPrices>;
  readonly priceAt: PriceAt;
}

/**
 * Reads what some groups' machines cost, and which machines were up since a moment: a read a worker, whatever the number
 * of tasks. Null where nothing costs anything.
 */
export async function costGround(
  platform: Platform,
  groups: readonly string[],
  since: number,
): Promise<CostGround | null> {
  if (platform.budget === undefined) return null;
  const now = platform.clock.now();
  const workers = await (await platform.ledger()).workers({ since });
  const machines = machinesOf(workers, { now, aliveMs: ALIVE_LEASES * platform.leaseSeconds * 1_000 });
  const spot = machines.filter(({ machine }) => machine.lifeCycle === 'spot').map(({ machine }) => machine.type);
  const others = [...new Set(spot)].sort();
  const found = await Promise.all(
    groups.map(async (group) => [group, (await (await platform.group(group)).prices?.(others)) ?? null] as const),
  );
  const prices = new Map(found.flatMap(([group, of]) => (of === null ? [] : [[group, of] as const])));
  const hours = [...prices.values()].flatMap((of) => of.hours);
  return { now, machines, prices, priceAt: (machine) => priceOf(hours, machine) };
}
