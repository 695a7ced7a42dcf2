import { QueryError } from '../grid/query.ts';

/** An item's attributes, each with one or more values. */
type Item = ReadonlyMap<string, ReadonlySet<string>>;
type Items = Map<string, Item>;
type Pairs = readonly (readonly [name: string, value: string])[];
export type Parameters = ReadonlyMap<string, string>;

interface Page {
  readonly items: readonly { readonly name: string; readonly attributes: Pairs }[];
  readonly token: string;
}

/** Limits (SDBLimits). */
const LONGEST = 1024;
const PAIRS = 256;
const BATCH = 25;
const DOMAINS = 250;
const COMPARISONS = 20;
const LARGEST_PAGE = 2500;
/** Default number of items or domains in a page (UsingSelect, ListDomains). */
const PAGE = 100;

/** The data of a small SimpleDB: domains of items, and the rules for changing and finding them. */
export class SdbDomains {
  readonly #domains = new Map<string, Items>();
  /** Maximum number of items in a page or in a partial count, as if each took 5 s (SDB_API_Select). */
  pageCut = Number.POSITIVE_INFINITY;
  /** The number of next pages that are empty, with a token, as those of a slow select may be (SDB_API_Select). */
  emptyPages = 0;

  create(name: string): void {
    if (!/^[A-Za-z0-9_.-]{3,255}$/.test(name)) throw refusal('InvalidParameterValue', 400, `DomainName ${name}`);
    if (this.#domains.size >= DOMAINS) throw refusal('NumberDomainsExceeded', 409);
    if (!this.#domains.has(name)) this.#domains.set(name, new Map());
  }

  remove(name: string): void {
    this.#domains.delete(name);
  }

  list(first: number): { readonly names: readonly string[]; readonly next: number | null } {
    const names = [...this.#domains.keys()].sort(order);
    return { names: names.slice(first, first + PAGE), next: first + PAGE < names.length ? first + PAGE : null };
  }

  /** PutAttributes; its condition can be that an attribute is missing (ConditionalPut). */
  put(parameters: Parameters): void {
    const items = this.#items(parameters);
    const name = required(parameters, 'ItemName');
    const absent = parameters.get('Expected.Name');
    if (absent !== undefined && parameters.get('Expected.Exists') !== 'false')
      throw refusal('InvalidParameterValue', 400, 'the only supported condition is Exists=false');
    if (absent !== undefined && items.get(name)?.has(absent))
      throw refusal('ConditionalCheckFailed', 409, `Attribute (${absent}) value exists`);
    items.set(name, withAttributes(name, items.get(name), attributesOf(parameters, '')));
  }

  /** All or nothing. */
  putBatch(parameters: Parameters): void {
    const items = this.#items(parameters);
    const all = batchOf(parameters).map(
      ({ name, prefix }) => [name, withAttributes(name, items.get(name), attributesOf(parameters, prefix))] as const,
    );
    for (const [name, item] of all) items.set(name, item);
  }

  /** Deletes whole items, if they exist. */
  deleteBatch(parameters: Parameters): void {
    for (const { name } of batchOf(parameters)) this.#items(parameters).delete(name);
  }

  /** The attributes of an item; none if it doesn't exist. */
  get(parameters: Parameters): Pairs {
    return pairs(this.#items(parameters).get(required(parameters, 'ItemName')) ?? new Map());
  }

  select(expression: string, token: string): Page {
    const { output, domain, matches, descending, limit } = parseSelect(expression);
    const found = [...this.#domain(domain)]
      .filter(([name, item]) => matches(name, item))
      .sort(([a], [b]) => (descending ? order(b, a) : order(a, b)));
    const from = token === '' ? 0 : placeOf(token, expression);
    if (this.emptyPages > 0) {
      this.emptyPages -= 1;
      return { items: [], token: tokenOf(from, expression) };
    }
    // A count covers as many items as it can in 5 s.
    const most = limit ?? (output === 'count(*)' ? found.length : PAGE);
    const to = Math.min(found.length, from + Math.min(most, this.pageCut));
    const next = to < found.length ? tokenOf(to, expression) : '';
    if (output === 'count(*)')
      return { items: [{ name: 'Domain', attributes: [['Count', String(to - from)]] }], token: next };
    const isSelected = (key: string): boolean => output === '*' || output.split(/\s*,\s*/).includes(key);
    const items = found
      .slice(from, to)
      .map(([name, item]) => ({ name, attributes: pairs(item).filter(([key]) => isSelected(key)) }));
    return { items, token: next };
  }

  #items(parameters: Parameters): Items {
    return this.#domain(required(parameters, 'DomainName'));
  }

  #domain(name: string): Items {
    const items = this.#domains.get(name);
    if (items === undefined) throw refusal('NoSuchDomain', 400, 'The specified domain does not exist.');
    return items;
  }
}

/** SimpleDB's error response (developer guide, API Error Codes). */
export const refusal = (code: string, status: number, message = code): QueryError =>
  new QueryError(code, message, status);

interface Attribute {
  readonly key: string;
  readonly value: string;
  readonly replace: boolean;
}

/** The item with more attributes; a value replaces the attribute's others if `replace` is true (ReplaceableAttribute). */
function withAttributes(name: string, item: Item | undefined, attributes: readonly Attribute[]): Item {
  if (attributes.length === 0) throw refusal('MissingParameter', 400, 'No attributes');
  if (attributes.length > PAIRS) throw refusal('NumberSubmittedAttributesExceeded', 409);
  checkLength('Item name', name);
  const changed = new Map([...(item ?? [])].map(([key, values]) => [key, new Set(values)]));
  const replaced = new Set<string>();
  for (const { key, value, replace } of attributes) {
    checkLength('Name', key);
    checkLength('Value', value);
    const values = replace && !replaced.has(key) ? new Set<string>() : (changed.get(key) ?? new Set<string>());
    replaced.add(key);
    changed.set(key, values.add(value));
  }
  if (pairs(changed).length > PAIRS) throw refusal('NumberItemAttributesExceeded', 409);
  return changed;
}

function attributesOf(parameters: Parameters, prefix: string): readonly Attribute[] {
  const found: Attribute[] = [];
  for (let n = 1; ; n += 1) {
    const [key, value, replace] = ['Name', 'Value', 'Replace'].map((field) =>
      parameters.get(`${prefix}Attribute.${n}.${field}`),
    );
    if (key === undefined) return found;
    found.push({ key, value: value ?? '', replace: replace === 'true' });
  }
}

function batchOf(parameters: Parameters): readonly { readonly name: string; readonly prefix: string }[] {
  const batch: { name: string; prefix: string }[] = [];
  for (let n = 1; parameters.has(`Item.${n}.ItemName`); n += 1)
    batch.push({ name: parameters.get(`Item.${n}.ItemName`) ?? '', prefix: `Item.${n}.` });
  if (batch.length === 0) throw refusal('MissingParameter', 400, 'No items');
  if (batch.length > BATCH) throw refusal('NumberSubmittedItemsExceeded', 409);
  if (new Set(batch.map(({ name }) => name)).size < batch.length) throw refusal('DuplicateItemName', 400);
  return batch;
}

const pairs = (item: Item): Pairs =>
  [...item].flatMap(([name, values]) => [...values].map((value) => [name, value] as const));

function required(parameters: Parameters, name: string): string {
  const value = parameters.get(name);
  if (value === undefined) throw refusal('MissingParameter', 400, `The request must contain ${name}`);
  return value;
}

function checkLength(what: string, text: string): void {
  if (Buffer.byteLength(text) <= LONGEST) return;
  throw refusal('InvalidParameterValue', 400, `Value for parameter ${what} is invalid: over ${LONGEST} bytes`);
}

/** A token is valid only for its expression. */
function tokenOf(place: number, expression: string): string {
  return Buffer.from(JSON.stringify({ place, expression })).toString('base64');
}

function placeOf(token: string, expression: string): number {
  const read = JSON.parse(Buffer.from(token, 'base64').toString() || '{}') as { place?: number; expression?: string };
  if (read.expression !== expression) throw refusal('InvalidNextToken', 400, 'The specified next token is invalid');
  return read.place ?? 0;
}

type Test = (name: string, item: Item) => boolean;

interface Select {
  /** `*`, `itemName()`, `count(*)` or names of attributes. */
  readonly output: string;
  readonly domain: string;
  readonly matches: Test;
  readonly descending: boolean;
  readonly limit: number | null;
}

const NAME = '(?:`(?:[^`]|``)*`|[A-Za-z_$][\\w$]*|itemName\\(\\))';
const COMPARISON = `(${NAME})\\s+(?:is\\s+not\\s+(null)|(like|<=|>=|!=|=|<|>)\\s*'((?:[^']|'')*)')`;
const SELECT = new RegExp(
  `^select\\s+(\\*|count\\(\\*\\)|${NAME}(?:\\s*,\\s*${NAME})*)\\s+from\\s+(${NAME})` +
    `(?:\\s+where\\s+(${COMPARISON}(?:\\s+and\\s+${COMPARISON})*))?` +
    '(?:\\s+order\\s+by\\s+itemName\\(\\)(?:\\s+(asc|desc))?)?(?:\\s+limit\\s+(\\d+))?$',
  'is',
);

/** Parses a select expression: comparisons joined by `and`, sorted by item name. Refuses all others. */
function parseSelect(expression: string): Select {
  const match = SELECT.exec(expression.trim());
  if (match === null) throw refusal('InvalidQueryExpression', 400, `unsupported query: ${expression}`);
  const [, output = '', domain = '', where = ''] = match;
  const [direction, limit] = match.slice(-2);
  const comparisons = [...where.matchAll(new RegExp(COMPARISON, 'gis'))];
  if (comparisons.length > COMPARISONS) throw refusal('InvalidNumberPredicates', 400);
  // Sorting requires a predicate on the same name (SortingDataSelect).
  if (/\sorder\s+by\s/i.test(expression) && !comparisons.some(([, name]) => name === 'itemName()'))
    throw refusal('InvalidSortExpression', 400, 'no predicate on itemName()');
  if (limit !== undefined && !(Number(limit) >= 1 && Number(limit) <= LARGEST_PAGE))
    throw refusal('InvalidNumberValueTests', 400, `limit ${limit}`);
  const tests = comparisons.map(([, name = '', notNull, sign = '', text = '']): Test => {
    const isTrue = notNull === undefined ? compare(sign.toLowerCase(), text.replaceAll("''", "'")) : () => true;
    // One matching value of several is enough (RangeValueQueriesSelect).
    return (itemName, item) =>
      (name === 'itemName()' ? [itemName] : [...(item.get(unquoted(name)) ?? [])]).some(isTrue);
  });
  return {
    output,
    domain: unquoted(domain),
    matches: (name, item) => tests.every((test) => test(name, item)),
    descending: direction?.toLowerCase() === 'desc',
    limit: limit === undefined ? null : Number(limit),
  };
}

/** A name without its backticks, in which a backtick is doubled (QuotingRulesSelect). */
const unquoted = (name: string): string => (name.startsWith('`') ? name.slice(1, -1).replaceAll('``', '`') : name);

/** Values are compared as bytes of UTF-8 (NumericalData). */
function compare(sign: string, to: string): (value: string) => boolean {
  if (sign === 'like') return likeTest(to);
  return (value) => {
    const place = order(value, to);
    return place === 0 ? ['=', '<=', '>='].includes(sign) : sign === '!=' || sign.startsWith(place < 0 ? '<' : '>');
  };
}

/** A % is allowed only at the start and the end (UsingSelectOperators). */
function likeTest(pattern: string): (value: string) => boolean {
  const [, open, text = '', close] = /^(%?)(.*?)(%?)$/s.exec(pattern) ?? [];
  if (text.includes('%')) throw refusal('InvalidQueryExpression', 400, `has a % within ${pattern}`);
  if (open && close) return (value) => value.includes(text);
  if (open) return (value) => value.endsWith(text);
  return (value) => (close ? value.startsWith(text) : value === text);
}

const order = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
