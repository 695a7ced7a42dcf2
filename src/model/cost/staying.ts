import { formatMany } from '../../lib/units.ts';
import type { LedgerWorker } from '../ledger/records.ts';
import { dollarsText } from './limit.ts';
import type { PriceAt } from './spending.ts';

/** Idle workers whose machines run on, because the workers may not end them. */
export interface Staying {
  /** The permission that they lack: `autoscaling:SetDesiredCapacity on arn:...`. */
  readonly denied: string;
  readonly workers: readonly string[];
  /** US dollars per hour of their machines; null if a price is unknown. */
  readonly hour: number | null;
}

/** Null without any. `workers`: of one group, or of all. */
export function stayingOf(
  workers: readonly (Pick<LedgerWorker, 'worker' | 'host' | 'machine'> & { readonly state: string })[],
  priceAt: PriceAt,
): Staying | null {
  const staying = workers.filter(({ state, machine }) => state === 'idle' && machine?.denied !== undefined);
  const denied = staying[0]?.machine?.denied;
  if (denied === undefined) return null;
  const machines = new Map(staying.map(({ host, machine }) => [host, machine]));
  let hour: number | null = 0;
  for (const machine of machines.values()) {
    const price = machine === undefined ? null : priceAt(machine);
    hour = hour === null || price === null ? null : hour + price;
  }
  return { denied, workers: staying.map(({ worker }) => worker), hour };
}

export function stayingText({ denied, workers, hour }: Staying): string {
  const what = workers.length === 1 ? 'an idle worker' : `${formatMany(workers.length, 'idle worker')}`;
  const cost = hour === null ? 'what that costs is unknown' : `that costs ${dollarsText(hour)} an hour`;
  return `${what} can't end ${workers.length === 1 ? 'its machine' : 'their machines'}: ${denied} is denied; ${cost}`;
}

/** The way out. `scale` may be allowed to people where workers lack the right. */
export const stayingFix = (group: string): string =>
  `batchctl infra policies --for worker, for what their role needs; batchctl scale 0 --group ${group}, to end them now`;
