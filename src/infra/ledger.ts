import type { AwsClients } from '../adapters/aws/clients.ts';
import { SimpleDbClient } from '../adapters/aws/simpledb-client.ts';
import { eachParallel } from '../lib/each-parallel.ts';
import { domainName } from '../lib/stack-names.ts';
import type { Found, Left, Removal, Resource } from './resource.ts';

/** Domains made or deleted at once: many more are throttled. */
const AT_ONCE = 4;

/** The ledger's domains. SimpleDB knows no tags: what has the names is the stack's. */
export class DomainsResource implements Resource {
  readonly part = 'data';
  readonly kind = 'domain';
  readonly name: string;
  readonly #domains: readonly string[];
  readonly #client: SimpleDbClient;

  constructor(stack: string, domains: number, clients: AwsClients) {
    this.name = `${stack}-0 to ${domains - 1}`;
    this.#domains = Array.from({ length: domains }, (_, n) => domainName(stack, n));
    this.#client = simpleDb(clients);
  }

  async look(): Promise<Found> {
    const there = await this.#there();
    if (there.length === 0) return { state: 'absent' };
    const lacking = this.#domains.filter((domain) => !there.includes(domain));
    if (lacking.length === 0) return { state: 'asItShould' };
    return { state: 'differs', differences: lacking.map((domain) => `domain ${domain} is missing`) };
  }

  async apply(): Promise<void> {
    const there = await this.#there();
    const lacking = this.#domains.filter((domain) => !there.includes(domain));
    await eachParallel(lacking, AT_ONCE, (domain) => this.#client.createDomain(domain));
  }

  async remove({ deleteData }: Removal): Promise<Left | null> {
    const there = await this.#there();
    if (there.length === 0) return null;
    if (!deleteData) return { why: 'it holds data' };
    await eachParallel(there, AT_ONCE, (domain) => this.#client.deleteDomain(domain));
    return null;
  }

  async #there(): Promise<readonly string[]> {
    const known = new Set<string>();
    for await (const domain of this.#client.listDomains()) known.add(domain);
    return this.#domains.filter((domain) => known.has(domain));
  }
}

/** How a ledger in SQL is made and taken away: by who knows databases. */
export interface SqlTables {
  /** Opens the profile's ledger, which makes the tables that lack, and only them: several may do so at once. */
  open(): Promise<unknown>;
  /** Drops them; answers what stays. */
  drop(): Promise<Left | null>;
}

/** The ledger's tables, in a database that the stack has by its URL. */
export class TablesResource implements Resource {
  readonly part = 'data';
  readonly kind = 'tables';
  readonly name: string;
  readonly #tables: SqlTables;

  constructor(url: string, tables: SqlTables) {
    this.name = new URL(url).host;
    this.#tables = tables;
  }

  look(): Promise<Found> {
    return Promise.resolve({ state: 'unknown' });
  }

  async apply(): Promise<void> {
    await this.#tables.open();
  }

  async remove({ deleteData }: Removal): Promise<Left | null> {
    return deleteData ? await this.#tables.drop() : { why: 'they hold data, and the database is yours' };
  }
}

/** `attempts`: how often a request is tried in all; the client's own number unless given. */
export function simpleDb(clients: AwsClients, attempts?: number): SimpleDbClient {
  const { region, credentials, profile } = clients;
  const agentFor = (url: URL) => clients.agentFor(url, 'control');
  return new SimpleDbClient({
    region,
    endpoint: clients.endpoint('simpledb'),
    credentials,
    agentFor,
    profile,
    ...(attempts !== undefined && { attempts }),
  });
}
