import type { Clock } from '../../src/lib/clock.ts';
import type { Ledger } from '../../src/ports/ledger.ts';
import type { FakeClock } from '../support/fake-clock.ts';

/** A new, empty ledger for one test that any number of writers can open. */
export interface LedgerPlace {
  /** Opens a ledger, which `end` closes. */
  open(writer: string, clock?: Clock): Promise<Ledger>;
  end(): Promise<void>;
}

/** What each test of the contract gets. */
export interface LedgerFixture {
  readonly place: LedgerPlace;
  /** Opened by the writer `w1`, with this clock. */
  readonly ledger: Ledger;
  readonly clock: FakeClock;
}

interface WriterOptions {
  readonly writer: string;
  readonly clock?: Clock;
}

/** A place of the ledgers that `create` returns; `end` runs once they are closed. */
export function ledgerPlace(
  create: (options: WriterOptions) => Ledger | Promise<Ledger>,
  end: () => unknown = () => undefined,
): LedgerPlace {
  const opened: Ledger[] = [];
  return {
    open: async (writer, clock) => {
      const ledger = await create({ writer, ...(clock && { clock }) });
      opened.push(ledger);
      await ledger.open();
      return ledger;
    },
    end: async () => {
      await Promise.all(opened.map((ledger) => ledger.close()));
      await end();
    },
  };
}
