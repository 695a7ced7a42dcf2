import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type Range, visit } from 'yaml';
import type { Path, Position, Problem } from './problems.ts';

/** A YAML 1.2 (core schema) or JSON text, read with the position of everything in it. */
export interface YamlDocument {
  /** The plain value; undefined when the text can't be read at all. */
  readonly value: unknown;
  /** What is wrong with the text itself: syntax, double keys, unknown tags. */
  readonly problems: readonly Problem[];
  /** Position of a value, or of its key; of the nearest thing that exists when the path doesn't. */
  locate(path: Path, what?: 'key' | 'value'): Position;
}

/**
 * Reads a text. `plain` names the maps whose values are kept as they are written (`1.10` stays `1.10`, `007` stays `007`).
 */
export function readYaml(text: string, plain: (path: Path) => boolean = () => false): YamlDocument {
  const lines = new LineCounter();
  const doc = parseDocument(text, { version: '1.2', lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const position = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const problems: Problem[] = [...doc.errors, ...doc.warnings].map((error) => ({
    path: [],
    at: position(error.pos[0]),
    message: error.message,
  }));
  visit(doc, {
    Alias(_key, alias) {
      if (alias.resolve(doc) !== undefined) return;
      const message = `no anchor &${alias.source} stands before *${alias.source}`;
      problems.push({ path: [], at: position(alias.range?.[0] ?? 0), message });
    },
    Pair(_key, pair, ancestors) {
      if (!isScalar(pair.key)) return;
      const name = String(pair.key.value);
      if (name === '__proto__') {
        problems.push({ path: [], at: position(pair.key.range?.[0] ?? 0), message: '__proto__ is no field' });
      }
      const values = isSeq(pair.value) ? pair.value.items : [pair.value];
      for (const value of values) {
        if (!isScalar(value) || typeof value.value !== 'number' || value.source === undefined) continue;
        const above = ancestors.flatMap((node) =>
          'key' in node && isScalar(node.key) ? [String(node.key.value)] : ([] as string[]),
        );
        if (plain([...above, name])) value.value = value.source;
      }
    },
  });
  let value: unknown;
  if (doc.errors.every((error) => error.code === 'DUPLICATE_KEY')) {
    try {
      value = doc.toJS();
    } catch (error) {
      // An alias without its anchor is reported already; what is left is a text that unfolds beyond measure.
      const message = error instanceof Error ? error.message : String(error);
      if (problems.length === 0) problems.push({ path: [], at: { line: 1, column: 1 }, message });
    }
  }

  const locate = (path: Path, what: 'key' | 'value' = 'value'): Position => {
    let node: unknown = doc.contents;
    let range = rangeOf(node);
    for (const [depth, segment] of path.entries()) {
      if (isAlias(node)) node = node.resolve(doc);
      if (isMap(node)) {
        const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(segment));
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

const rangeOf = (node: unknown): Range | undefined =>
  typeof node === 'object' && node !== null && 'range' in node ? ((node as Node).range ?? undefined) : undefined;
