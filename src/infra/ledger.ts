import type { AwsLedger } from '../config.ts';
import type { Found, Resource } from './resource.ts';

/** The ledger's domains or tables. Opening it makes what lacks, and only that: several may do so at once. */
export class LedgerResource implements Resource {
  readonly part = 'data';
  readonly kind: 'domain' | 'tables';
  readonly name: string;
  readonly #open: () => Promise<unknown>;

  constructor(ledger: Exclude<AwsLedger, { kind: 'store' }>, stack: string, open: () => Promise<unknown>) {
    this.kind = ledger.kind === 'simpledb' ? 'domain' : 'tables';
    this.name = ledger.kind === 'simpledb' ? `${stack}-0 to ${ledger.domains - 1}` : new URL(ledger.url).host;
    this.#open = open;
  }

  look(): Promise<Found> {
    return Promise.resolve({ state: 'unknown' });
  }

  async apply(): Promise<void> {
    await this.#open();
  }
}
