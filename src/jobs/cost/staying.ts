import { priceOf } from '../../model/cost/spending.ts';
import { type Staying, stayingOf } from '../../model/cost/staying.ts';
import type { LedgerWorker } from '../../model/ledger/records.ts';
import type { Platform } from '../../ports/platform.ts';
import { readPrices } from './standings.ts';

/**
 * A group's idle workers that may not end their machines, and what those cost an hour; null without any, for which nothing is
 * read.
 */
export async function readStaying(
  platform: Platform,
  group: string,
  workers: readonly (Omit<LedgerWorker, 'state'> & { readonly state: string })[],
): Promise<Staying | null> {
  if (stayingOf(workers, () => null) === null) return null;
  const spot = workers.flatMap(({ machine }) => (machine?.lifeCycle === 'spot' ? [machine.type] : []));
  const { prices } = await readPrices(platform, [group], [...new Set(spot)].sort());
  const hours = [...prices.values()].flatMap((of) => of.hours);
  return stayingOf(workers, (machine) => priceOf(hours, machine));
}
