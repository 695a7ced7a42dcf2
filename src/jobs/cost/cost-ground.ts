import { USUAL_BOOT } from '../../model/capacity.ts';
import type { NextMachine } from '../../model/cost/limit.ts';
import { ALIVE_LEASES, machinesOf, type PaidMachine } from '../../model/cost/paid-machine.ts';
import { priceOf, priceToCome } from '../../model/cost/price.ts';
import type { PriceAt } from '../../model/cost/spending.ts';
import type { Platform } from '../../ports/platform.ts';
import type { GroupPrices } from '../../ports/worker-group.ts';
import { bootSeconds } from '../grid/boot-times.ts';

/** What costs are worked out from, as of one moment. */
export interface CostGround {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** The machines that were up since a moment, in any group. */
  readonly machines: readonly PaidMachine[];
  /** Of the groups that were asked for and whose machines cost something. */
  readonly prices: ReadonlyMap<string, GroupPrices>;
  readonly priceAt: PriceAt;
  /** A group's next machine; null where nobody knows its price, and for 0 an hour where it costs nothing. */
  readonly nextIn: (group: string) => NextMachine | null;
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
  const { prices, nextIn } = await pricesOf(platform, groups, others);
  const hours = [...prices.values()].flatMap((of) => of.hours);
  return { now, machines, prices, nextIn, priceAt: (machine) => priceOf(hours, machine) };
}

/** What the groups' machines cost, those that cost nothing left out, and how long the next ones boot. `others`: as `prices` of a group takes them. */
export async function pricesOf(
  platform: Platform,
  groups: readonly string[],
  others: readonly string[] = [],
): Promise<Pick<CostGround, 'prices' | 'nextIn'>> {
  const found = await Promise.all(
    groups.map(async (group) => ({
      ...{ group, of: (await (await platform.group(group)).prices?.(others)) ?? null },
      boot: await bootSeconds(platform.store, group),
    })),
  );
  const boots = new Map(found.map(({ group, boot }) => [group, boot]));
  const prices = new Map(found.flatMap(({ group, of }) => (of === null ? [] : [[group, of] as const])));
  const nextIn = (group: string): NextMachine | null => {
    const of = prices.get(group);
    const price = of === undefined ? 0 : priceToCome(of);
    return price === null ? null : { price, boot: boots.get(group) ?? USUAL_BOOT };
  };
  return { prices, nextIn };
}
