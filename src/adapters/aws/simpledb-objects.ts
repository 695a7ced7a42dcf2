import { createHash } from 'node:crypto';
import { randomId } from '../../lib/id.ts';
import { eachParallel } from '../../lib/parallel.ts';
import { isLedgerBulk, jobOfLedgerKey, ledgerLargeKey } from '../../model/keys.ts';
import type {
  ListOptions,
  ObjectEntry,
  ObjectStore,
  PutOptions,
  PutResult,
  ReadOptions,
} from '../../ports/object-store.ts';
import { SimpleDbClient } from './simpledb-client.ts';
import { type SimpleDbOptions, simpleDbCode } from './simpledb-http.ts';

export interface SimpleDbObjectsOptions extends SimpleDbOptions {
  /** Domains are named `<stack>-0`, `<stack>-1` ... */
  readonly stack: string;
  /** The number of domains. All items of a job are in one. Changing the number hides what was written before. */
  readonly domains: number;
  /** For what doesn't fit: values over 1,024 bytes, and objects of attempts. */
  readonly store: ObjectStore;
}

/** Bytes of an attribute's value (SDBLimits), less one for its first character. */
const LONGEST = 1023;
/** First character of a value: stored here, or as an object of the store. */
const HERE = '=';
const LARGE = '@';
/** Items per page, at most (SDBLimits). */
const PAGE = 2500;
/** Concurrent requests: many more would be throttled. */
const PARALLEL = 4;
/** How often to look again for a value that is replaced while it is read. */
const LOOKS = 5;

/**
 * A ledger's objects as items of SimpleDB: an item's name is the object's key, `e` its entity tag, `v` its content or
 * where that is. Each item has one writer, as the objects have; a put replaces it whole.
 */
export class SimpleDbObjects implements Pick<ObjectStore, 'put' | 'read' | 'list' | 'keys' | 'delete'> {
  readonly #client: SimpleDbClient;
  readonly #store: ObjectStore;
  readonly #domains: readonly string[];
  /** For items that this process put: the key of their large value. */
  readonly #large = new Map<string, string>();

  constructor(options: SimpleDbObjectsOptions) {
    this.#client = new SimpleDbClient(options);
    this.#store = options.store;
    this.#domains = Array.from({ length: options.domains }, (_, n) => `${options.stack}-${n}`);
  }

  /** Creates missing domains. Safe to repeat, and to call from two processes at once. */
  async open(): Promise<void> {
    const known = new Set<string>();
    for await (const domain of this.#client.listDomains()) known.add(domain);
    const absent = this.#domains.filter((domain) => !known.has(domain));
    await eachParallel(absent, PARALLEL, (domain) => this.#client.createDomain(domain));
  }

  async put(key: string, body: Uint8Array | string, options: PutOptions = {}): Promise<PutResult> {
    if (isLedgerBulk(key)) return await this.#store.put(key, body, options);
    const etag = randomId(16);
    const bytes = Buffer.from(body);
    const isLarge = bytes.length > LONGEST;
    // The value is written first: an item never names a missing value.
    if (isLarge) await this.#store.put(ledgerLargeKey(key, etag), bytes);
    const value = isLarge ? `${LARGE}${etag}` : `${HERE}${bytes.toString('utf8')}`;
    const item = { name: key, attributes: { e: etag, v: value } };
    try {
      await this.#client.put(this.#domain(key), item, options.ifAbsent === true ? 'e' : undefined);
    } catch (error) {
      if (simpleDbCode(error) !== 'ConditionalCheckFailed') throw error;
      const there = await this.#client.get(this.#domain(key), key);
      // It may be our own first try, whose answer was lost.
      if (there?.e !== etag) {
        if (isLarge) await this.#store.delete([ledgerLargeKey(key, etag)]);
        return { created: false, etag: there?.e ?? '' };
      }
    }
    await this.#replaceLarge(key, isLarge ? etag : null);
    return { created: true, etag };
  }

  async read(key: string, options: ReadOptions = {}): Promise<Uint8Array | null> {
    if (isLedgerBulk(key)) return await this.#store.read(key, options);
    for (let looks = 0; looks < LOOKS; looks += 1) {
      const value = (await this.#client.get(this.#domain(key), key))?.v;
      if (value === undefined) return null;
      if (!value.startsWith(LARGE)) return Buffer.from(value.slice(1));
      const bytes = await this.#store.read(ledgerLargeKey(key, value.slice(1)));
      if (bytes !== null) return bytes;
    }
    return null;
  }

  /** Sizes and times aren't kept: both are 0. */
  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectEntry> {
    if (isLedgerBulk(prefix)) {
      yield* this.#store.list(prefix, options);
      return;
    }
    const domain = this.#domain(prefix).replaceAll('`', '``');
    const end = [prefixEnd(prefix), options.to ?? prefixEnd(prefix)].sort()[0] ?? '';
    const from = (condition: string): string =>
      `select e from \`${domain}\` where ${condition} and itemName() < ${quoted(end)} order by itemName() limit ${PAGE}`;
    let last = options.from === undefined || options.from < prefix ? prefix : options.from;
    let expression = from(`itemName() >= ${quoted(last)}`);
    for (let token = ''; ; ) {
      options.signal?.throwIfAborted();
      const page = await this.#page(expression, token);
      if (page === null) {
        expression = from(`itemName() > ${quoted(last)}`);
        token = '';
        continue;
      }
      for (const { name, attributes } of page.items) {
        last = name;
        yield { key: name, etag: attributes.e ?? '', size: 0, modified: 0 };
      }
      token = page.token;
      if (token === '') return;
    }
  }

  async *keys(prefix: string, options: ListOptions = {}): AsyncGenerator<string> {
    if (isLedgerBulk(prefix)) yield* this.#store.keys(prefix, options);
    else for await (const { key } of this.list(prefix, options)) yield key;
  }

  /** Items are deleted first: their large values are then unused. */
  async delete(keys: readonly string[]): Promise<void> {
    const bulk = keys.filter(isLedgerBulk);
    if (bulk.length > 0) await this.#store.delete(bulk);
    for (const domain of this.#domains) {
      const names = keys.filter((key) => !isLedgerBulk(key) && this.#domain(key) === domain);
      if (names.length === 0) continue;
      const large: string[] = [];
      await eachParallel(names, PARALLEL, async (name) => {
        const value = (await this.#client.get(domain, name))?.v ?? '';
        if (value.startsWith(LARGE)) large.push(ledgerLargeKey(name, value.slice(1)));
      });
      await this.#client.deleteAll(domain, names);
      if (large.length > 0) await this.#store.delete(large);
      for (const name of names) this.#large.delete(name);
    }
  }

  /** Null if the token is too old: then the listing continues after its last key. */
  async #page(expression: string, token: string): Promise<Awaited<ReturnType<SimpleDbClient['select']>> | null> {
    try {
      return await this.#client.select(expression, token);
    } catch (error) {
      if (token !== '' && /^(Invalid|Unsupported)NextToken$/.test(simpleDbCode(error) ?? '')) return null;
      throw error;
    }
  }

  async #replaceLarge(key: string, etag: string | null): Promise<void> {
    const old = this.#large.get(key);
    if (etag === null) this.#large.delete(key);
    else this.#large.set(key, etag);
    if (old !== undefined) await this.#store.delete([ledgerLargeKey(key, old)]);
  }

  /** By the key's job; what is listed over all jobs is in the first domain. */
  #domain(key: string): string {
    const scope = jobOfLedgerKey(key);
    const n = scope === null ? 0 : createHash('sha256').update(scope).digest().readUInt32BE() % this.#domains.length;
    return this.#domains[n] ?? '';
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** The first key after all that begin with the prefix: its last character, which is ASCII, plus one. */
function prefixEnd(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}
