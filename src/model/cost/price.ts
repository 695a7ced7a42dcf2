import type { WorkerMachine } from '../../ports/ledger.ts';
import type { GroupPrices, HourPrice } from '../../ports/worker-group.ts';

/**
 * US dollars that an hour of a machine costs; null where nobody knows. A spot instance: the market's price in its zone,
 * else the mean over its zones, else what the profile says. An on-demand instance: what the profile says.
 */
export function priceOf(hours: readonly HourPrice[], { type, zone, lifeCycle }: WorkerMachine): number | null {
  const ofType = hours.filter((hour) => hour.type === type);
  const configured = ofType.find(({ kind }) => kind === 'configured')?.usd ?? null;
  if (lifeCycle === 'on-demand') return configured;
  const market = ofType.filter(({ kind }) => kind === 'spot');
  const here = market.filter((hour) => hour.zone === zone || hour.zone === null);
  return mean(here) ?? mean(market) ?? configured;
}

/** What an hour of the group's next machine costs, about: the mean over its types; null where one's price isn't known. */
export function priceToCome({ types, lifeCycle, hours }: GroupPrices): number | null {
  const each = types.map((type) => priceOf(hours, { type, zone: '', lifeCycle }));
  const known = each.filter((usd) => usd !== null);
  return each.length === 0 || known.length < each.length ? null : known.reduce((a, b) => a + b, 0) / known.length;
}

/** The types whose price nobody knows: what the profile has to say. */
export function typesWithoutPrice({ types, lifeCycle, hours }: GroupPrices): readonly string[] {
  return types.filter((type) => priceOf(hours, { type, zone: '', lifeCycle }) === null);
}

function mean(prices: readonly HourPrice[]): number | null {
  return prices.length === 0 ? null : prices.reduce((sum, { usd }) => sum + usd, 0) / prices.length;
}
