import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type Range,
  visit,
  type YAMLMap,
} from 'yaml';
import { messageOf } from '../errors.ts';
import type { Path, Position, Problem } from './problems.ts';
import { isUnendedBracket, isUnendedQuote, yamlMistakeText } from './yaml-mistakes.ts';

/** A YAML 1.2 (core schema) or JSON text, parsed with the positions of all values. */
export interface YamlDocument {
  /** The plain value; undefined if the text can't be parsed at all. */
  readonly value: unknown;
  /** Problems of the text itself: syntax, duplicate keys, unknown tags. */
  readonly problems: readonly Problem[];
  /** The position of a value, or of its key; if the path doesn't exist, of the nearest thing that does. */
  locate(path: Path, what?: 'key' | 'value'): Position;
}

/** Limits of a text: the parser needs some 10 microseconds per token, and searches all anchors for each alias. */
const LIMITS = { tokens: 100_000, aliases: 1_000, anchors: 1_000 };
/** Maximum nesting of brackets: the parser is recursive. */
const DEEPEST = 500;
/** Characters of a mistake that its message shows. */
const LONGEST_SHOWN = 40;
const TOO_DEEP = 'is nested too deeply to be read';

/** Whether a number, `true`, `false` or `null` stays as written: `1.10` stays `1.10`, `007` stays `007`. */
type StaysText = (path: Path, value: number | boolean | null) => boolean;

/** Parses a text of at most `tokens` keys, values and signs. `staysText` is asked about values of maps and items of lists; items' paths end in 0. */
export function readYaml(
  text: string,
  staysText: StaysText = () => false,
  tokens: number = LIMITS.tokens,
): YamlDocument {
  const limits = { ...LIMITS, tokens };
  const excess = findExcess(text, limits);
  if (excess !== null) return { value: undefined, problems: [excess], locate: () => START };
  const lines = new LineCounter();
  const options = { version: '1.2', prettyErrors: false, logLevel: 'error' } as const;
  // The parser compares each key with every other of its map.
  const doc = parseDocument(text, { ...options, lineCounter: lines, uniqueKeys: false });
  const position = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const shown = ([from, to]: readonly [number, number]): string => {
    const part = text.slice(from, Math.min(to, from + LONGEST_SHOWN)).trim();
    return part === '' ? '' : `"${part.replace(/\p{Cc}/gu, '?')}"`;
  };
  const problems: Problem[] = [];
  const mistakes = [...doc.errors, ...doc.warnings].map(({ pos, code, message }) => ({
    pos: [openingOf(doc, message, pos[0]) ?? pos[0], pos[1]] as const,
    code,
    message,
  }));
  const unended = mistakes.find(({ message }) => isUnendedQuote(message));
  for (const mistake of mistakes) {
    const { pos, code, message } = mistake;
    // The text after such a quote is within it, so what else is found there is no mistake.
    if (unended !== undefined && mistake !== unended && pos[0] >= unended.pos[0]) continue;
    const at = position(pos[0]);
    // After a mistake the parser often finds another one in the rest of its line, or of the text.
    if (problems.some((problem) => problem.at?.line === at.line || code === 'UNEXPECTED_TOKEN')) continue;
    const isTooDeep = message.startsWith('Maximum call stack');
    problems.push({
      path: [],
      at,
      message: isTooDeep ? TOO_DEEP : yamlMistakeText({ code, message, text: shown(pos) }),
    });
  }
  const anchors = new Map<string, Node>();
  const aliasTargets = new Map<Alias, Node>();
  visit(doc, {
    Node(_key, node) {
      if (isAlias(node)) {
        const anchored = anchors.get(node.source);
        if (anchored !== undefined) aliasTargets.set(node, anchored);
        else {
          const message = `no anchor &${node.source} precedes *${node.source}`;
          problems.push({ path: [], at: position(node.range?.[0] ?? 0), message });
        }
        return;
      }
      if ('anchor' in node && node.anchor !== undefined) anchors.set(node.anchor, node);
      if (!isMap(node)) return;
      for (const { offset, name } of duplicateKeys(node)) {
        const message = yamlMistakeText({ code: 'DUPLICATE_KEY', message: '', text: JSON.stringify(name) });
        problems.push({ path: [], at: position(offset), message });
      }
    },
    Pair(_key, pair, ancestors) {
      if (!isScalar(pair.key)) return;
      const name = String(pair.key.value);
      if (name === '__proto__') {
        problems.push({ path: [], at: position(pair.key.range?.[0] ?? 0), message: '__proto__ is not a field' });
      }
      const values = isSeq(pair.value) ? pair.value.items : [pair.value];
      for (const scalar of values) {
        if (!isScalar(scalar) || !scalar.source) continue;
        const { value } = scalar;
        if (typeof value !== 'number' && typeof value !== 'boolean' && value !== null) continue;
        const above = ancestors.flatMap((node) =>
          'key' in node && isScalar(node.key) ? [String(node.key.value)] : ([] as string[]),
        );
        if (staysText([...above, name, ...(isSeq(pair.value) ? [0] : [])], value)) scalar.value = scalar.source;
      }
    },
  });
  let value: unknown;
  if (doc.errors.length === 0) {
    try {
      value = doc.toJS();
    } catch (error) {
      // An alias without its anchor is already reported; the remaining error is a text that expands too far.
      const message = messageOf(error);
      if (problems.length === 0) problems.push({ path: [], at: START, message });
    }
  }

  const pairs = new Map<YAMLMap, ReadonlyMap<string, Pair>>();
  const pairOf = (map: YAMLMap, name: string): Pair | undefined => {
    const known = pairs.get(map) ?? pairsByName(map);
    pairs.set(map, known);
    return known.get(name);
  };
  const locate = (path: Path, what: 'key' | 'value' = 'value'): Position => {
    let node: unknown = doc.contents;
    let range = rangeOf(node);
    for (const [depth, segment] of path.entries()) {
      if (isAlias(node)) node = aliasTargets.get(node);
      if (isMap(node)) {
        const pair = pairOf(node, String(segment));
        if (pair === undefined) break;
        const last = depth === path.length - 1;
        range = (last && what === 'key' ? rangeOf(pair.key) : rangeOf(pair.value)) ?? rangeOf(pair.key) ?? range;
        node = pair.value;
      } else if (isSeq(node)) {
        const item: unknown = node.items[Number(segment)];
        if (item === undefined) break;
        node = item;
        range = rangeOf(node) ?? range;
      } else break;
    }
    return position(range?.[0] ?? 0);
  };
  return { value, problems, locate };
}

/** Where a quote or bracket opens that has no end; null for another mistake. The parser reports where it gave up the search. */
function openingOf(doc: Document.Parsed, message: string, gaveUp: number): number | null {
  const isQuote = isUnendedQuote(message);
  if (!isQuote && !isUnendedBracket(message)) return null;
  let opens: number | null = null;
  visit(doc, {
    Node(_key, node) {
      const isSuch = isScalar(node) ? isQuote && node.type?.startsWith('QUOTE_') === true : !isQuote && 'flow' in node;
      // Of several, the innermost.
      if (isSuch && node.range?.[1] === gaveUp) opens = node.range[0];
    },
  });
  return opens;
}

const rangeOf = (node: unknown): Range | undefined =>
  typeof node === 'object' && node !== null && 'range' in node ? ((node as Node).range ?? undefined) : undefined;

const START: Position = { line: 1, column: 1 };

/** The first limit that the lexer finds exceeded; null: none. */
function findExcess(text: string, limits: typeof LIMITS): Problem | null {
  const found = { tokens: 0, aliases: 0, anchors: 0 };
  let isContent = false;
  let depth = 0;
  for (const token of new Lexer().lex(text)) {
    const [first = ''] = token;
    const wasContent = isContent;
    // Announces the text of a plain or block scalar.
    isContent = token === '\x1f';
    if (isContent || (!wasContent && /[\s#]/.test(first))) continue;
    found.tokens += 1;
    if (!wasContent && first === '*') found.aliases += 1;
    if (!wasContent && first === '&') found.anchors += 1;
    if (!wasContent && (first === '[' || first === '{')) depth += 1;
    if (!wasContent && (first === ']' || first === '}')) depth -= 1;
    if (depth > DEEPEST) return { path: [], at: START, message: TOO_DEEP };
    const what = (Object.keys(limits) as (keyof typeof LIMITS)[]).find((each) => found[each] > limits[each]);
    if (what === undefined) continue;
    const shown = what === 'tokens' ? 'keys, values and signs' : what;
    return { path: [], at: START, message: `found more than ${limits[what]} ${shown}, allowed: ${limits[what]}` };
  }
  return null;
}

function duplicateKeys({ items }: YAMLMap): readonly { readonly offset: number; readonly name: string }[] {
  const seen = new Set<unknown>();
  return items.flatMap(({ key }) => {
    if (!isScalar(key)) return [];
    if (seen.has(key.value)) return [{ offset: key.range?.[0] ?? 0, name: String(key.value).slice(0, LONGEST_SHOWN) }];
    seen.add(key.value);
    return [];
  });
}

/** If names repeat, the first pair is used. */
function pairsByName({ items }: YAMLMap): ReadonlyMap<string, Pair> {
  const named = items.flatMap((pair) => (isScalar(pair.key) ? [[String(pair.key.value), pair] as const] : []));
  return new Map(named.reverse());
}
