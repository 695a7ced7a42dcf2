import { randomId } from '../../lib/id.ts';
import { type Finding, fail, pass } from '../../model/finding.ts';
import { childText, type Element, SimpleDbHttp, type SimpleDbOptions } from './simpledb-http.ts';

/** Attributes by name, with one value each. */
type Attributes = Readonly<Record<string, string>>;

interface SimpleDbItem {
  readonly name: string;
  readonly attributes: Attributes;
}

/** Items per batch (SDBLimits). */
const BATCH = 25;

/**
 * SimpleDB's actions, as far as a ledger needs them. Names and values are at most 1,024 bytes of UTF-8 each. Every read
 * is consistent; every put replaces (SimpleDB's default adds a second value). All throw as `SimpleDbHttp.call`.
 */
export class SimpleDbClient {
  readonly #http: SimpleDbHttp;

  constructor(options: SimpleDbOptions) {
    this.#http = new SimpleDbHttp(options);
  }

  /** May take ten seconds; succeeds if the domain exists. */
  async createDomain(domain: string): Promise<void> {
    await this.#http.call('CreateDomain', { DomainName: domain });
  }

  async deleteDomain(domain: string): Promise<void> {
    await this.#http.call('DeleteDomain', { DomainName: domain });
  }

  async *listDomains(): AsyncGenerator<string> {
    for (let token = ''; ; ) {
      const answer = await this.#http.call('ListDomains', token === '' ? {} : { NextToken: token });
      const result = answer.children.get('ListDomainsResult')?.[0];
      for (const { text } of result?.children.get('DomainName') ?? []) yield text;
      const next = childText(result, 'NextToken');
      // Moto returns the token `None` forever.
      if (next === '' || next === token) return;
      token = next;
    }
  }

  /**
   * Replaces the item's attributes of these names. With `ifAbsent`, only if the item has no attribute of that name;
   * otherwise throws with the code ConditionalCheckFailed.
   */
  async put(domain: string, item: SimpleDbItem, ifAbsent?: string): Promise<void> {
    await this.#http.call('PutAttributes', {
      DomainName: domain,
      ItemName: item.name,
      ...attributeParameters('', item.attributes),
      ...(ifAbsent !== undefined && { 'Expected.Name': ifAbsent, 'Expected.Exists': 'false' }),
    });
  }

  /** Puts different items, in batches: each batch is done as a whole or not at all. */
  async putAll(domain: string, items: readonly SimpleDbItem[]): Promise<void> {
    for (let at = 0; at < items.length; at += BATCH) {
      const batch = items.slice(at, at + BATCH).map(({ name, attributes }, index) => ({
        [`Item.${index + 1}.ItemName`]: name,
        ...attributeParameters(`Item.${index + 1}.`, attributes),
      }));
      await this.#http.call('BatchPutAttributes', Object.assign({ DomainName: domain }, ...batch));
    }
  }

  /** An item's attributes; null if it has none, which means that it doesn't exist. */
  async get(domain: string, name: string): Promise<Attributes | null> {
    const parameters = { DomainName: domain, ItemName: name, ConsistentRead: 'true' };
    const answer = await this.#http.call('GetAttributes', parameters);
    const found = answer.children.get('GetAttributesResult')?.[0]?.children.get('Attribute') ?? [];
    return found.length === 0 ? null : attributesOf(found);
  }

  /** Deletes items. Missing ones are ignored. */
  async deleteAll(domain: string, names: readonly string[]): Promise<void> {
    for (let at = 0; at < names.length; at += BATCH) {
      const batch = names.slice(at, at + BATCH).map((name, index) => [`Item.${index + 1}.ItemName`, name]);
      await this.#http.call('BatchDeleteAttributes', { DomainName: domain, ...Object.fromEntries(batch) });
    }
  }

  /** One page of a select. It may be empty with a token, which means that there is more. */
  async select(
    expression: string,
    token: string,
  ): Promise<{ readonly items: readonly SimpleDbItem[]; readonly token: string }> {
    const next = token === '' ? {} : { NextToken: token };
    const parameters = { SelectExpression: expression, ConsistentRead: 'true', ...next };
    const answer = await this.#http.call('Select', parameters);
    const result = answer.children.get('SelectResult')?.[0];
    const items = (result?.children.get('Item') ?? []).map((item) => ({
      name: childText(item, 'Name'),
      attributes: attributesOf(item.children.get('Attribute') ?? []),
    }));
    return { items, token: childText(result, 'NextToken') };
  }

  /** The result of a `count(*)`, which may come in parts. */
  async count(expression: string): Promise<number> {
    let count = 0;
    for (let token = ''; ; ) {
      const page = await this.select(expression, token);
      for (const { attributes } of page.items) count += Number(attributes.Count ?? 0);
      token = page.token;
      if (token === '') return count;
    }
  }
}

function attributeParameters(prefix: string, attributes: Attributes): Record<string, string> {
  const parameters: Record<string, string> = {};
  for (const [index, [name, value]] of Object.entries(attributes).entries()) {
    const attribute = `${prefix}Attribute.${index + 1}`;
    parameters[`${attribute}.Name`] = name;
    parameters[`${attribute}.Value`] = value;
    parameters[`${attribute}.Replace`] = 'true';
  }
  return parameters;
}

function attributesOf(elements: readonly Element[]): Attributes {
  return Object.fromEntries(elements.map((each) => [childText(each, 'Name'), childText(each, 'Value')]));
}

/** Whether SimpleDB answers, and can write and read back an item in the ledger's domains. Creates no domain. */
export async function checkSimpleDb(options: SimpleDbOptions, domains: readonly string[]): Promise<Finding> {
  const client = new SimpleDbClient({ ...options, attempts: 2 });
  const known = new Set<string>();
  for await (const domain of client.listDomains()) known.add(domain);
  const [domain] = domains.filter((each) => known.has(each));
  if (domain === undefined) return pass('SimpleDB responds; the domains are created when first used');
  const name = `doctor-${randomId(10)}`;
  await client.put(domain, { name, attributes: { e: name } });
  const found = await client.get(domain, name);
  await client.deleteAll(domain, [name]);
  if (found?.e === name) return pass(`SimpleDB accepts writes: ${domains.length} domains from ${domains[0]} on`);
  return fail(
    `SimpleDB did not return what was written to ${domain}`,
    'use another kind of ledger; batchctl ledger rebuild fills it from the store',
  );
}
