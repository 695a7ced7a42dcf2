import { Big } from 'big.js';
import { BatchctlError } from '../errors.ts';

/** A control total: two sides, each a sum of products, and the comparison between them. */
export interface Expectation {
  readonly left: readonly Term[];
  readonly comparison: Comparison;
  readonly right: readonly Term[];
}

export type Comparison = '==' | '!=' | '<=' | '>=' | '<' | '>';

export interface Term {
  readonly sign: 1 | -1;
  readonly factors: readonly Factor[];
}

export type Factor =
  /** An exact decimal. */
  | { readonly kind: 'number'; readonly text: string }
  /** `price.records`, `input.bytes`; without a step the counter over all steps. */
  | { readonly kind: 'counter'; readonly step: string | null; readonly counter: string };

export interface ExpectResult {
  readonly ok: boolean;
  /** Exact decimals without exponents; null when a value is missing. */
  readonly left: string | null;
  readonly right: string | null;
  /** Names that the lookup didn't know; such an expectation isn't met. */
  readonly missing: readonly string[];
}

/** `offset` counts characters from 0. */
function syntaxError(message: string, offset: number): BatchctlError {
  return new BatchctlError('jobFile', `${message} (at character ${offset + 1})`, {
    hint: 'expected a comparison of two sums, such as price.records == input.records',
  });
}

// A `-` within a name belongs to it, as in step names; a subtraction needs spaces.
const TOKEN =
  /\s*(?:(?<number>\d+(?:\.\d+)?(?![\w.]))|(?<name>[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)?(?![\w.]))|(?<comparison>[=!<>]=|<|>)|(?<operator>[-+*]))/y;

const KINDS = ['number', 'name', 'comparison', 'operator'] as const;

interface Token {
  readonly kind: (typeof KINDS)[number];
  readonly text: string;
  readonly offset: number;
}

/** Parses `price.records == input.records`. Throws `jobFile` for anything else. */
export function parseExpect(text: string): Expectation {
  const tokens = tokenize(text);
  const at = tokens.findIndex((token) => token.kind === 'comparison');
  const comparison = tokens[at];
  if (comparison === undefined) {
    throw syntaxError('a comparison is missing: ==, !=, <=, >=, < or >', text.length);
  }
  const second = tokens.slice(at + 1).find((token) => token.kind === 'comparison');
  if (second !== undefined) {
    throw syntaxError(`a second comparison ${second.text}: only one is allowed`, second.offset);
  }
  return {
    left: parseSide(tokens.slice(0, at), comparison.offset),
    comparison: comparison.text as Comparison,
    right: parseSide(tokens.slice(at + 1), text.length),
  };
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const end = text.trimEnd().length;
  let offset = 0;
  while (offset < end) {
    TOKEN.lastIndex = offset;
    const groups = TOKEN.exec(text)?.groups;
    const kind = KINDS.find((each) => groups?.[each] !== undefined);
    const value = kind === undefined ? undefined : groups?.[kind];
    if (kind === undefined || value === undefined) {
      const start = offset + (text.slice(offset).length - text.slice(offset).trimStart().length);
      const word = /^\S+/.exec(text.slice(start))?.[0] ?? '';
      const equals = word.startsWith('=') ? ' - did you mean ==?' : '';
      throw syntaxError(`can't read ${JSON.stringify(word)}${equals}`, start);
    }
    tokens.push({ kind, text: value, offset: TOKEN.lastIndex - value.length });
    offset = TOKEN.lastIndex;
  }
  return tokens;
}

function parseSide(tokens: readonly Token[], end: number): readonly Term[] {
  const terms: { sign: 1 | -1; factors: Factor[] }[] = [{ sign: 1, factors: [] }];
  let wantsOperand = true;
  for (const [index, token] of tokens.entries()) {
    const term = terms.at(-1);
    if (term === undefined) break;
    if (token.kind === 'operator') {
      const leadingSign = index === 0 && token.text !== '*';
      if (wantsOperand && !leadingSign) throw syntaxError(`a value is missing before ${token.text}`, token.offset);
      if (leadingSign) term.sign = token.text === '-' ? -1 : 1;
      else if (token.text !== '*') terms.push({ sign: token.text === '-' ? -1 : 1, factors: [] });
      wantsOperand = true;
    } else {
      if (!wantsOperand) throw syntaxError(`+, - or * is missing before ${token.text}`, token.offset);
      term.factors.push(parseFactor(token));
      wantsOperand = false;
    }
  }
  if (wantsOperand) throw syntaxError('a value is missing: step.counter, input.records or a number', end);
  return terms;
}

function parseFactor(token: Token): Factor {
  if (token.kind === 'number') return { kind: 'number', text: token.text };
  const dot = token.text.indexOf('.');
  return dot < 0
    ? { kind: 'counter', step: null, counter: token.text }
    : { kind: 'counter', step: token.text.slice(0, dot), counter: token.text.slice(dot + 1) };
}

export function countersOf(expectation: Expectation): readonly (Factor & { readonly kind: 'counter' })[] {
  return [...expectation.left, ...expectation.right].flatMap((term) =>
    term.factors.filter((factor) => factor.kind === 'counter'),
  );
}

/** Whether one of the equations needs the number of the input's records, which a split counts only then. */
export function expectsRecords(equations: readonly string[]): boolean {
  return equations.some((equation) =>
    countersOf(parseExpect(equation)).some(({ step, counter }) => step === 'input' && counter === 'records'),
  );
}

/**
 * Evaluates an expectation in exact decimals. `lookup` returns a counter's total as decimal text, or null if there is
 * none. A total that isn't a number counts as missing: whatever an expectation says, the job can be closed.
 */
export function evaluateExpect(
  expectation: Expectation,
  lookup: (step: string | null, counter: string) => string | number | null,
): ExpectResult {
  const missing = new Set<string>();
  const total = (terms: readonly Term[]): Big =>
    terms.reduce((sum, term) => sum.plus(product(term.factors).times(term.sign)), new Big(0));
  const product = (factors: readonly Factor[]): Big =>
    factors.reduce((result, factor) => result.times(amountOf(factor)), new Big(1));
  const amountOf = (factor: Factor): Big => {
    if (factor.kind === 'number') return new Big(factor.text);
    const value = lookup(factor.step, factor.counter);
    const name = factor.step === null ? factor.counter : `${factor.step}.${factor.counter}`;
    try {
      if (value !== null) return new Big(value);
      missing.add(name);
    } catch {
      missing.add(`${name}, found ${JSON.stringify(String(value).slice(0, 80))}`);
    }
    return new Big(0);
  };
  const left = total(expectation.left);
  const right = total(expectation.right);
  if (missing.size > 0) return { ok: false, left: null, right: null, missing: [...missing] };
  const ok = HOLDS[expectation.comparison](left.cmp(right));
  return { ok, left: left.toFixed(), right: right.toFixed(), missing: [] };
}

/**
 * The message for a control total that does not hold: `price.records == input.records does not hold: 10 and 11, a
 * difference of -1`.
 */
export function unmetText({ equation, left, right, missing = [] }: UnmetTotal): string {
  if (left === null || right === null) {
    const what = missing.length === 0 ? '' : `: nothing counted ${missing.join(', ')}`;
    return `${equation} can't be evaluated${what}`;
  }
  return `${equation} does not hold: ${left} and ${right}, a difference of ${differenceOf(left, right)}`;
}

export interface UnmetTotal extends Pick<ExpectResult, 'left' | 'right'> {
  readonly equation: string;
  readonly missing?: ExpectResult['missing'];
}

/** The left side minus the right one, exactly. */
const differenceOf = (left: string, right: string): string => new Big(left).minus(right).toFixed();

/** Whether each comparison holds, by the order of its sides: negative, 0 or positive. */
const HOLDS: Readonly<Record<Comparison, (order: number) => boolean>> = {
  '==': (order) => order === 0,
  '!=': (order) => order !== 0,
  '<=': (order) => order <= 0,
  '>=': (order) => order >= 0,
  '<': (order) => order < 0,
  '>': (order) => order > 0,
};
