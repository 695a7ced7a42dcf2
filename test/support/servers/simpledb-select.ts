/** An item's attributes: each has one value or more. */
export type Item = ReadonlyMap<string, ReadonlySet<string>>;

/** A select, read: which items it finds in which domain, in which order, and what it answers of each. */
export interface Select {
  readonly output: 'all' | 'names' | 'count' | readonly string[];
  readonly domain: string;
  readonly matches: (name: string, item: Item) => boolean;
  readonly order: { readonly by: string; readonly descending: boolean } | null;
  /** Of a page, at most 2,500 (SDBLimits); null: not given. */
  readonly limit: number | null;
}

type Test = (name: string, item: Item) => boolean;
type Compare = (value: string) => boolean;
interface Token {
  readonly kind: 'word' | 'name' | 'text' | 'sign';
  readonly text: string;
}

/** The name under which the item's own name is compared. */
export const ITEM_NAME = 'itemName()';

/** Values in ' or ", names in `, each doubled to escape it (QuotingRulesSelect). */
const TOKEN =
  /\s*(?:'((?:[^']|'')*)'|"((?:[^"]|"")*)"|`((?:[^`]|``)*)`|(itemName\(\)|count\(\*\)|[A-Za-z_$][A-Za-z0-9_$]*)|(<=|>=|!=|[=<>(),*]|\d+))/giy;

export function parseSelect(expression: string): Select {
  return new Parser(tokensOf(expression)).select();
}

function tokensOf(expression: string): Token[] {
  const tokens: Token[] = [];
  const text = expression.trimEnd();
  for (TOKEN.lastIndex = 0; TOKEN.lastIndex < text.length; ) {
    const match = TOKEN.exec(text);
    if (match === null) throw invalid(`cannot be read: ${text}`);
    const [, single, double, name, word, sign] = match;
    if (single !== undefined) tokens.push({ kind: 'text', text: single.replaceAll("''", "'") });
    else if (double !== undefined) tokens.push({ kind: 'text', text: double.replaceAll('""', '"') });
    else if (name !== undefined) tokens.push({ kind: 'name', text: name.replaceAll('``', '`') });
    else if (word !== undefined) tokens.push({ kind: 'word', text: word });
    else tokens.push({ kind: 'sign', text: sign ?? '' });
  }
  return tokens;
}

const invalid = (why: string): SdbError => new SdbError('InvalidQueryExpression', 400, `The specified query ${why}`);

class Parser {
  readonly #tokens: Token[];
  #at = 0;
  #comparisons = 0;
  /** Attributes that a predicate other than `is null` speaks of: only these sort (SortingDataSelect). */
  readonly #sortable = new Set<string>();

  constructor(tokens: Token[]) {
    this.#tokens = tokens;
  }

  select(): Select {
    this.#word('select');
    const output = this.#output();
    this.#word('from');
    const domain = this.#name();
    const matches = this.#isWord('where') ? this.#or() : () => true;
    const order = this.#order();
    const limit = this.#isWord('limit') ? Number(this.#next().text) : null;
    if (limit !== null && !(limit >= 1 && limit <= 2500))
      throw new SdbError('InvalidNumberValueTests', 400, `limit ${limit}`);
    if (this.#at < this.#tokens.length) throw invalid(`goes on: ${this.#tokens[this.#at]?.text}`);
    // SDBLimits: 20 comparisons a select.
    if (this.#comparisons > 20) throw new SdbError('InvalidNumberPredicates', 400);
    return { output, domain, matches, order, limit };
  }

  #output(): Select['output'] {
    if (this.#isSign('*')) return 'all';
    if (this.#isWord('itemName()')) return 'names';
    if (this.#isWord('count(*)')) return 'count';
    const names = [this.#name()];
    while (this.#isSign(',')) names.push(this.#name());
    return names;
  }

  #order(): Select['order'] {
    if (!this.#isWord('order')) return null;
    this.#word('by');
    const by = this.#isWord('itemName()') ? ITEM_NAME : this.#name();
    if (!this.#sortable.has(by)) throw new SdbError('InvalidSortExpression', 400, `no predicate on ${by}`);
    const descending = this.#isWord('desc');
    if (!descending) this.#isWord('asc');
    return { by, descending };
  }

  #or(): Test {
    const tests = [this.#and()];
    while (this.#isWord('or')) tests.push(this.#and());
    return (name, item) => tests.some((test) => test(name, item));
  }

  /** `intersection` differs from `and` only for items with several values, each side taking its own. */
  #and(): Test {
    const tests = [this.#not()];
    while (this.#isWord('and') || this.#isWord('intersection')) tests.push(this.#not());
    return (name, item) => tests.every((test) => test(name, item));
  }

  #not(): Test {
    if (this.#isWord('not')) {
      const test = this.#not();
      return (name, item) => !test(name, item);
    }
    if (!this.#isSign('(')) return this.#comparison();
    const test = this.#or();
    this.#sign(')');
    return test;
  }

  #comparison(): Test {
    this.#comparisons += 1;
    const every = this.#isWord('every');
    if (every) this.#sign('(');
    const name = this.#isWord('itemName()') ? ITEM_NAME : this.#name();
    if (every) this.#sign(')');
    if (this.#isWord('is')) return this.#null(name);
    this.#sortable.add(name);
    const compare = this.#compare();
    return (itemName, item) => {
      const values = name === ITEM_NAME ? [itemName] : [...(item.get(name) ?? [])];
      return every ? values.length > 0 && values.every(compare) : values.some(compare);
    };
  }

  #null(name: string): Test {
    const not = this.#isWord('not');
    this.#word('null');
    if (not) this.#sortable.add(name);
    return (_, item) => (name === ITEM_NAME || item.has(name)) === not;
  }

  /** All comparison is of the bytes of UTF-8 (NumericalData). */
  #compare(): Compare {
    if (this.#isWord('between')) {
      const low = this.#text();
      this.#word('and');
      const high = this.#text();
      return (value) => order(value, low) >= 0 && order(value, high) <= 0;
    }
    if (this.#isWord('in')) {
      this.#sign('(');
      const all = [this.#text()];
      while (this.#isSign(',')) all.push(this.#text());
      this.#sign(')');
      return (value) => all.includes(value);
    }
    const not = this.#isWord('not');
    if (this.#isWord('like')) {
      const like = likeOf(this.#text());
      return (value) => like(value) !== not;
    }
    const sign = this.#next().text;
    const to = this.#text();
    const signs: Record<string, Compare> = {
      '=': (value) => value === to,
      '!=': (value) => value !== to,
      '<': (value) => order(value, to) < 0,
      '<=': (value) => order(value, to) <= 0,
      '>': (value) => order(value, to) > 0,
      '>=': (value) => order(value, to) >= 0,
    };
    const compare = signs[sign];
    if (compare === undefined || not) throw invalid(`compares by ${sign}`);
    return compare;
  }

  #next(): Token {
    const token = this.#tokens[this.#at];
    if (token === undefined) throw invalid('ends too early');
    this.#at += 1;
    return token;
  }

  #name(): string {
    const { kind, text } = this.#next();
    if (kind !== 'name' && kind !== 'word') throw invalid(`has ${text} in place of a name`);
    return text;
  }

  #text(): string {
    const { kind, text } = this.#next();
    if (kind !== 'text') throw invalid(`has ${text} in place of a quoted value`);
    return text;
  }

  #isWord(word: string): boolean {
    const token = this.#tokens[this.#at];
    const found = token?.kind === 'word' && token.text.toLowerCase() === word.toLowerCase();
    if (found) this.#at += 1;
    return found;
  }

  #isSign(sign: string): boolean {
    const found = this.#tokens[this.#at]?.kind === 'sign' && this.#tokens[this.#at]?.text === sign;
    if (found) this.#at += 1;
    return found;
  }

  #word(word: string): void {
    if (!this.#isWord(word)) throw invalid(`lacks ${word}`);
  }

  #sign(sign: string): void {
    if (!this.#isSign(sign)) throw invalid(`lacks ${sign}`);
  }
}

/** A % at the start, the end or both; nowhere else (UsingSelectOperators). */
function likeOf(pattern: string): Compare {
  const [open, close] = [pattern.startsWith('%'), pattern.length > 1 && pattern.endsWith('%')];
  const text = pattern.slice(open ? 1 : 0, close ? -1 : undefined);
  if (text.includes('%')) throw invalid(`has a % within ${pattern}`);
  if (open && close) return (value) => value.includes(text);
  if (open) return (value) => value.endsWith(text);
  return close ? (value) => value.startsWith(text) : (value) => value === text;
}

export function order(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** What SimpleDB answers in place of a result: a code with its HTTP status (developer guide, API Error Codes). */
export class SdbError extends Error {
  readonly code: string;
  readonly status: number;

  constructor(code: string, status: number, message = code) {
    super(message);
    this.code = code;
    this.status = status;
  }
}
