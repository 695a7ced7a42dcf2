import { ITEM_NAME, type Item, order, parseSelect, SdbError, type Select } from './simpledb-select.ts';

type Items = Map<string, Map<string, Set<string>>>;
export type Parameters = ReadonlyMap<string, string>;

export interface Page {
  readonly items: readonly { readonly name: string; readonly attributes: readonly (readonly [string, string])[] }[];
  readonly token: string;
}

/** SDBLimits. */
const LONGEST = 1024;
const PAIRS = 256;
const BATCH = 25;
const DOMAINS = 250;

/** The data of a small SimpleDB: domains of items, and the rules for changing and finding them. */
export class SdbDomains {
  readonly #domains = new Map<string, Items>();
  /** Items of a page, or of a part of a count, before it is cut as by the limit of 5 s (SDB_API_Select). */
  pageCut = Number.POSITIVE_INFINITY;
  /** So many pages from now on are empty, with a token, as a slow select's may be (SDB_API_Select). */
  emptyPages = 0;

  create(name: string): void {
    if (!/^[A-Za-z0-9_.-]{3,255}$/.test(name)) throw new SdbError('InvalidParameterValue', 400, `DomainName ${name}`);
    if (this.#domains.size >= DOMAINS) throw new SdbError('NumberDomainsExceeded', 409);
    if (!this.#domains.has(name)) this.#domains.set(name, new Map());
  }

  remove(name: string): void {
    this.#domains.delete(name);
  }

  list(first: number, max: number): { readonly names: readonly string[]; readonly next: number | null } {
    const names = [...this.#domains.keys()].sort(order);
    return { names: names.slice(first, first + max), next: first + max < names.length ? first + max : null };
  }

  /** PutAttributes: adds a value unless it is told to replace (ReplaceableAttribute). */
  put(parameters: Parameters): void {
    const items = this.#items(parameters);
    const name = needed(parameters, 'ItemName');
    checkExpected(parameters, items.get(name));
    this.#putOne(items, name, attributesOf(parameters, ''));
  }

  /** All or nothing. */
  putBatch(parameters: Parameters): void {
    const items = this.#items(parameters);
    const batch = batchOf(parameters);
    const copies: Items = new Map();
    for (const { name, prefix } of batch) {
      const copy = new Map([...(items.get(name) ?? [])].map(([key, values]) => [key, new Set(values)]));
      copies.set(name, copy);
      this.#putOne(copies, name, attributesOf(parameters, prefix));
    }
    for (const [name, copy] of copies) items.set(name, copy);
  }

  /** DeleteAttributes: no attribute named is the whole item; fine when there is none. */
  delete(parameters: Parameters): void {
    const items = this.#items(parameters);
    const name = needed(parameters, 'ItemName');
    checkExpected(parameters, items.get(name));
    deleteOne(items, name, attributesOf(parameters, ''));
  }

  deleteBatch(parameters: Parameters): void {
    const items = this.#items(parameters);
    for (const { name, prefix } of batchOf(parameters)) deleteOne(items, name, attributesOf(parameters, prefix));
  }

  /** Of an item that doesn't exist: nothing, and no error. */
  get(parameters: Parameters): readonly (readonly [string, string])[] {
    const item = this.#items(parameters).get(needed(parameters, 'ItemName'));
    const asked = numbered(parameters, 'AttributeName');
    return pairs(item ?? new Map()).filter(([name]) => asked.length === 0 || asked.includes(name));
  }

  select(expression: string, token: string): Page {
    const select = parseSelect(expression);
    const items = this.#domain(select.domain);
    const found = sorted(items, select);
    const from = token === '' ? 0 : placeOf(token, expression);
    if (this.emptyPages > 0) {
      this.emptyPages -= 1;
      return { items: [], token: tokenOf(from, expression) };
    }
    // 100 items a page unless told otherwise (UsingSelect); a count goes over all that it can in 5 s.
    const limit = select.limit ?? (select.output === 'count' ? found.length : 100);
    const to = Math.min(found.length, from + Math.min(limit, this.pageCut));
    const next = to < found.length ? tokenOf(to, expression) : '';
    if (select.output === 'count')
      return { items: [{ name: 'Domain', attributes: [['Count', String(to - from)]] }], token: next };
    const { output } = select;
    const answered = found.slice(from, to).map(([name, item]) => ({
      name,
      attributes: output === 'names' ? [] : pairs(item).filter(([key]) => output === 'all' || output.includes(key)),
    }));
    return { items: answered, token: next };
  }

  #items(parameters: Parameters): Items {
    return this.#domain(needed(parameters, 'DomainName'));
  }

  #domain(name: string): Items {
    const items = this.#domains.get(name);
    if (items === undefined) throw new SdbError('NoSuchDomain', 400, 'The specified domain does not exist.');
    return items;
  }

  #putOne(items: Items, name: string, attributes: readonly Attribute[]): void {
    if (attributes.length === 0) throw new SdbError('MissingParameter', 400, 'No attributes');
    if (attributes.length > PAIRS) throw new SdbError('NumberSubmittedAttributesExceeded', 409);
    checkLength('Item name', name);
    const item = new Map([...(items.get(name) ?? [])].map(([key, values]) => [key, new Set(values)]));
    const replaced = new Set<string>();
    for (const { name: key, value, replace } of attributes) {
      checkLength('Name', key);
      checkLength('Value', value);
      const values = replace && !replaced.has(key) ? new Set<string>() : (item.get(key) ?? new Set<string>());
      replaced.add(key);
      item.set(key, values.add(value));
    }
    if (pairs(item).length > PAIRS) throw new SdbError('NumberItemAttributesExceeded', 409);
    items.set(name, item);
  }
}

interface Attribute {
  readonly name: string;
  readonly value: string;
  readonly replace: boolean;
}

function attributesOf(parameters: Parameters, prefix: string): readonly Attribute[] {
  const found: Attribute[] = [];
  for (let n = 1; parameters.has(`${prefix}Attribute.${n}.Name`); n += 1) {
    const at = `${prefix}Attribute.${n}`;
    found.push({
      name: parameters.get(`${at}.Name`) ?? '',
      value: parameters.get(`${at}.Value`) ?? '',
      replace: parameters.get(`${at}.Replace`) === 'true',
    });
  }
  return found;
}

function batchOf(parameters: Parameters): readonly { readonly name: string; readonly prefix: string }[] {
  const batch: { name: string; prefix: string }[] = [];
  for (let n = 1; parameters.has(`Item.${n}.ItemName`); n += 1)
    batch.push({ name: parameters.get(`Item.${n}.ItemName`) ?? '', prefix: `Item.${n}.` });
  if (batch.length === 0) throw new SdbError('MissingParameter', 400, 'No items');
  if (batch.length > BATCH) throw new SdbError('NumberSubmittedItemsExceeded', 409);
  if (new Set(batch.map(({ name }) => name)).size < batch.length) throw new SdbError('DuplicateItemName', 400);
  return batch;
}

/** One condition on one attribute (ConditionalPut): `Expected.Name` or, from older clients, `Expected.1.Name`. */
function checkExpected(parameters: Parameters, item: Item | undefined): void {
  const prefix = parameters.has('Expected.1.Name') ? 'Expected.1' : 'Expected';
  const name = parameters.get(`${prefix}.Name`);
  if (name === undefined) return;
  const value = parameters.get(`${prefix}.Value`);
  const values = item?.get(name);
  if (parameters.get(`${prefix}.Exists`) === 'false') {
    if (value !== undefined) throw new SdbError('ExistsAndExpectedValue', 400);
    if (values !== undefined) throw new SdbError('ConditionalCheckFailed', 409, `Attribute (${name}) value exists`);
    return;
  }
  if (value === undefined) throw new SdbError('IncompleteExpectedExpression', 400);
  if (values === undefined) throw new SdbError('AttributeDoesNotExist', 404, `Attribute (${name}) does not exist`);
  if (values.size > 1) throw new SdbError('MultiValuedAttribute', 409);
  if (!values.has(value)) throw new SdbError('ConditionalCheckFailed', 409);
}

function deleteOne(items: Items, name: string, attributes: readonly Attribute[]): void {
  const item = items.get(name);
  if (item === undefined) return;
  for (const { name: key, value } of attributes) {
    if (value === '') item.delete(key);
    else item.get(key)?.delete(value);
    if (item.get(key)?.size === 0) item.delete(key);
  }
  if (attributes.length === 0 || item.size === 0) items.delete(name);
}

function sorted(items: Items, { matches, order: by }: Select): readonly (readonly [string, Item])[] {
  const found = [...items].filter(([name, item]) => matches(name, item)).sort(([a], [b]) => order(a, b));
  if (by === null) return found;
  const key = ([name, item]: readonly [string, Item]): string =>
    by.by === ITEM_NAME ? name : ([...(item.get(by.by) ?? [])][0] ?? '');
  const inOrder = found.sort((a, b) => order(key(a), key(b)));
  return by.descending ? inOrder.reverse() : inOrder;
}

function pairs(item: Item): readonly (readonly [string, string])[] {
  return [...item].flatMap(([name, values]) => [...values].map((value) => [name, value] as const));
}

function numbered(parameters: Parameters, name: string): readonly string[] {
  const found: string[] = [];
  for (let n = 1; parameters.has(`${name}.${n}`); n += 1) found.push(parameters.get(`${name}.${n}`) ?? '');
  return found;
}

function needed(parameters: Parameters, name: string): string {
  const value = parameters.get(name);
  if (value === undefined) throw new SdbError('MissingParameter', 400, `The request must contain ${name}`);
  return value;
}

function checkLength(what: string, text: string): void {
  if (Buffer.byteLength(text) <= LONGEST) return;
  throw new SdbError('InvalidParameterValue', 400, `Value for parameter ${what} is invalid: over ${LONGEST} bytes`);
}

/** A token is bound to its expression. */
function tokenOf(place: number, expression: string): string {
  return Buffer.from(JSON.stringify({ place, expression })).toString('base64');
}

function placeOf(token: string, expression: string): number {
  const read = JSON.parse(Buffer.from(token, 'base64').toString() || '{}') as { place?: number; expression?: string };
  if (read.expression !== expression)
    throw new SdbError('InvalidNextToken', 400, 'The specified next token is invalid');
  return read.place ?? 0;
}
