import { openSqlLedger } from '../../../../src/adapters/sql/sql-ledger.ts';
import type { Ledger } from '../../../../src/ports/ledger.ts';
import type { DatabaseServer } from '../../../support/servers/database-server.ts';

export interface LedgerOptions {
  readonly writer?: string;
  readonly url?: string;
  readonly ca?: string | null;
  readonly password?: () => Promise<string>;
  readonly lockWaitMs?: number;
}

/** Ledgers on a server, which are closed when a test ends. */
export class Ledgers {
  readonly #server: () => DatabaseServer;
  readonly #opened: Ledger[] = [];

  constructor(server: () => DatabaseServer) {
    this.#server = server;
  }

  /** A ledger that isn't open yet. */
  create({ password, ...more }: LedgerOptions = {}): Ledger {
    const server = this.#server();
    const source = { from: 'the variable DB_PASSWORD', get: password ?? (async () => server.password) };
    const options = { dialect: server.kind, url: server.url(), writer: 'w1', password: source, ...more };
    const ledger = openSqlLedger(options);
    this.#opened.push(ledger);
    return ledger;
  }

  async open(options: LedgerOptions = {}): Promise<Ledger> {
    const ledger = this.create(options);
    await ledger.open();
    return ledger;
  }

  async close(): Promise<void> {
    await Promise.all(this.#opened.splice(0).map((ledger) => ledger.close()));
  }
}
