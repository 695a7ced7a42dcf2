import type { AwsClients } from '../adapters/aws/clients.ts';
import type { MachinePrices } from '../adapters/aws/prices.ts';
import type { AwsProfile } from '../config.ts';
import { systemClock } from '../lib/clock.ts';
import { isEmulatedWithout } from './account-guard.ts';

/** A profile's prices, read when first needed and only once, for all groups. */
export class PricesOnce implements Pick<MachinePrices, 'forGroup'> {
  readonly #open: () => Promise<MachinePrices>;
  #opened: Promise<MachinePrices> | null = null;

  constructor(profile: Pick<AwsProfile, 'prices' | 'endpoints'>, clients: AwsClients) {
    this.#open = async () => {
      const { MachinePrices } = await import('../adapters/aws/prices.ts');
      const asksMarket = !isEmulatedWithout(profile, 'ec2');
      return new MachinePrices({ clients, clock: systemClock, configured: profile.prices, asksMarket });
    };
  }

  async forGroup(...asked: Parameters<MachinePrices['forGroup']>): ReturnType<MachinePrices['forGroup']> {
    this.#opened ??= this.#open();
    return (await this.#opened).forGroup(...asked);
  }
}
