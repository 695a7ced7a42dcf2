import type { AwsClients } from '../adapters/aws/clients.ts';
import { SimpleDbClient } from '../adapters/aws/simpledb-client.ts';
import type { AwsProfile, LedgerServer } from '../config/load-config.ts';
import { eachParallel } from '../lib/parallel.ts';
import { domainName } from '../lib/stack-names.ts';
import type { KeptReason, RemovalOptions, Resource, ResourceState } from './resource.ts';

/** Domains created or deleted at once: many more would be throttled. */
const AT_ONCE = 4;
/** Tries of a request that may have no recipient: in a region without SimpleDB the host doesn't exist. */
const PROBES = 2;

/** The ledger's domains. SimpleDB has no tags: a domain with the right name is the stack's. */
export class DomainsResource implements Resource {
  readonly part = 'data';
  readonly kind = 'domain';
  readonly name: string;
  readonly #domains: readonly string[];
  readonly #client: SimpleDbClient;

  /** `domains`: their names, in order. */
  constructor(domains: readonly string[], clients: AwsClients) {
    this.name = domains.length > 1 ? `${domains[0]} to ${domains.length - 1}` : (domains[0] ?? '');
    this.#domains = domains;
    this.#client = simpleDb(clients);
  }

  async look(): Promise<ResourceState> {
    const there = await this.#readExisting();
    if (there.length === 0) return { state: 'absent' };
    const lacking = this.#domains.filter((domain) => !there.includes(domain));
    if (lacking.length === 0) return { state: 'asItShould' };
    return { state: 'differs', differences: lacking.map((domain) => `domain ${domain} is missing`) };
  }

  async apply(): Promise<void> {
    const there = await this.#readExisting();
    const lacking = this.#domains.filter((domain) => !there.includes(domain));
    await eachParallel(lacking, AT_ONCE, (domain) => this.#client.createDomain(domain));
  }

  async remove({ deleteData }: RemovalOptions): Promise<KeptReason | null> {
    const there = await this.#readExisting();
    if (there.length === 0) return null;
    if (!deleteData) return { why: 'it contains data' };
    await eachParallel(there, AT_ONCE, (domain) => this.#client.deleteDomain(domain));
    return null;
  }

  async #readExisting(): Promise<readonly string[]> {
    const known = new Set<string>();
    for await (const domain of this.#client.listDomains()) known.add(domain);
    return this.#domains.filter((domain) => known.has(domain));
  }
}

/** The domains of a ledger in SimpleDB; empty for any other. */
export function domainsOf({ stack, ledger }: Pick<AwsProfile, 'stack' | 'ledger'>): readonly string[] {
  const count = ledger.kind === 'simpledb' ? ledger.domains : 0;
  return Array.from({ length: count }, (_, n) => domainName(stack, n));
}

/**
 * The existing domains with a name of the stack's, in order. A domain that the profile doesn't name may still be
 * someone else's: it is left out if it contains an item that no ledger put there.
 */
export async function existingDomains(profile: AwsProfile, clients: AwsClients): Promise<readonly string[]> {
  const client = simpleDb(clients, domainsOf(profile).length > 0 ? undefined : PROBES);
  const own = new Set(domainsOf(profile));
  const there: number[] = [];
  for await (const domain of client.listDomains()) {
    const number = Number(domain.slice(profile.stack.length + 1));
    if (!Number.isInteger(number) || domain !== domainName(profile.stack, number)) continue;
    if (own.has(domain) || (await isLedgerDomain(client, domain))) there.push(number);
  }
  return there.sort((a, b) => a - b).map((number) => domainName(profile.stack, number));
}

async function isLedgerDomain(client: SimpleDbClient, domain: string): Promise<boolean> {
  const { items } = await client.select(`select * from \`${domain}\` limit 1`, '');
  // In the form in which `SimpleDbObjects` puts them.
  return items.every(({ attributes: { e, v } }) => e !== undefined && v !== undefined);
}

/** How tables of a SQL ledger are created and dropped; implemented where databases are known. */
export interface SqlTables {
  /** Opens the profile's ledger, which creates only the missing tables; several processes may do so at once. */
  open(): Promise<unknown>;
  /** Drops them; returns what stays. */
  drop(): Promise<KeptReason | null>;
}

export class TablesResource implements Resource {
  readonly part = 'data';
  readonly kind = 'tables';
  readonly name: string;
  readonly #server: LedgerServer;
  readonly #tables: SqlTables;

  constructor(server: LedgerServer, tables: SqlTables) {
    this.name = new URL(server.url).host;
    this.#server = server;
    this.#tables = tables;
  }

  look(): Promise<ResourceState> {
    return Promise.resolve({ state: 'unknown', notes: [`signs in with ${signInOf(this.#server)}`] });
  }

  async apply(): Promise<void> {
    await this.#tables.open();
  }

  async remove({ deleteData }: RemovalOptions): Promise<KeptReason | null> {
    return deleteData ? await this.#tables.drop() : { why: 'they contain data, and the database is yours' };
  }
}

function signInOf({ password, passwordEnv, iam }: LedgerServer): string {
  if (password !== null) return `the password in ${password}`;
  if (iam) return 'a token of IAM';
  return passwordEnv === null ? 'no password' : `the password in the variable ${passwordEnv}`;
}

/** `attempts`: tries of a request in all; the client's own number by default. */
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
