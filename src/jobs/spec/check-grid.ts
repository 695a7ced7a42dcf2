import * as v from 'valibot';
import { describeFound, MAX_PROBLEMS, type Path, type Problem, unknownNameMessage } from '../../lib/problems.ts';
import { combinationsOf, type GridSplit } from '../../model/grid.ts';
import { measureAxis } from './axis-values.ts';
import { splitOf, splitSchema } from './split-schema.ts';

/**
 * The mistakes between the fields of a grid: values that are no numbers of an axis, doubled combinations, and names and
 * values in `zip` and `exclude` that the axes lack. None if the schema finds mistakes of its own. `path`: of the split.
 */
export function checkGrid(written: unknown, path: Path): Problem[] {
  const { success, output } = v.safeParse(splitSchema, written, { abortPipeEarly: true });
  if (!success || output.by !== 'grid') return [];
  const mistaken = Object.entries(output.axes).flatMap(([name, axis]): Problem[] => {
    const { mistake } = measureAxis(axis);
    return mistake === null ? [] : [{ path: [...path, 'axes', name], message: mistake }];
  });
  const split = splitOf(output);
  if (mistaken.length > 0 || split.by !== 'grid') return mistaken;
  const zip = zipProblems(split, [...path, 'zip']);
  const problems = [...zip, ...doubledValues(split, output.axes, path)];
  return problems.length > 0 ? problems : excludeProblems(split, [...path, 'exclude']);
}

function zipProblems({ axes, zip = [] }: GridSplit, path: Path): Problem[] {
  const problems: Problem[] = [];
  const places = new Map<string, string>();
  for (const [at, names] of zip.entries()) {
    if (names.length < 2)
      problems.push({
        path: [...path, at],
        message: `found ${names.length === 0 ? 'no axis' : 'one axis'}, allowed: at least two`,
      });
    for (const [index, name] of names.entries()) {
      if (problems.length > MAX_PROBLEMS) return problems;
      const here = [...path, at, index];
      const other = places.get(name);
      if (!Object.hasOwn(axes, name))
        problems.push({ path: here, message: unknownNameMessage('axis', name, Object.keys(axes)) });
      else if (other !== undefined)
        problems.push({ path: here, message: `found ${name}, which is also ${other}; allowed: each axis once` });
      places.set(name, `zip[${at}][${index}]`);
    }
    const counts = names.map((name) => (Object.hasOwn(axes, name) ? (axes[name]?.length ?? 0) : 0));
    const differs = counts.findIndex((count) => count !== counts[0]);
    if (differs !== -1 && !counts.includes(0)) {
      const found = [0, differs].map((index) => `${names[index]} with ${counts[index]}`);
      problems.push({ path: [...path, at], message: `found ${found.join(' and ')}, allowed: equally many values` });
    }
  }
  return problems;
}

/**
 * Values, or zipped values, that are there twice: every combination with them would run twice, and its results count
 * twice.
 */
function doubledValues(
  { axes, zip = [] }: GridSplit,
  written: Readonly<Record<string, unknown>>,
  path: Path,
): Problem[] {
  const problems: Problem[] = [];
  const zipped = new Set(zip.flat());
  for (const [axis, values] of Object.entries(axes)) {
    if (zipped.has(axis)) continue;
    for (const [index, first] of repeated(values)) {
      if (problems.length > MAX_PROBLEMS) return problems;
      const list = written[axis];
      const here = [...path, 'axes', axis];
      if (Array.isArray(list)) {
        const message = `found ${describeFound(list[index])}, which is also ${axis}[${first}]; allowed: different values`;
        problems.push({ path: [...here, index], message });
      } else
        problems.push({
          path: here,
          message: `found a scale that has ${values[index]} twice, allowed: a smaller count`,
        });
    }
  }
  for (const [at, names] of zip.entries()) {
    const columns = names.map((name) => (Object.hasOwn(axes, name) ? (axes[name] ?? []) : []));
    const rows = (columns[0] ?? []).map((_, index) => JSON.stringify(columns.map((values) => values[index])));
    for (const [index, first] of repeated(rows)) {
      if (problems.length > MAX_PROBLEMS) return problems;
      const same = names.map((name, column) => `${name} ${columns[column]?.[index]}`).join(', ');
      const message = `found ${same} at [${index}] and at [${first}]; allowed: different values`;
      problems.push({ path: [...path, 'zip', at], message });
    }
  }
  return problems;
}

/** The positions of texts that occur before, too, each with its first. */
function repeated(texts: readonly string[]): readonly (readonly [index: number, first: number])[] {
  const places = new Map<string, number>();
  return texts.flatMap((text, index) => {
    const first = places.get(text);
    if (first !== undefined) return [[index, first] as const];
    places.set(text, index);
    return [];
  });
}

/** How many values of an axis a message names. */
const VALUES_SHOWN = 10;

function excludeProblems(split: GridSplit, path: Path): Problem[] {
  const { axes, exclude = [] } = split;
  const problems: Problem[] = [];
  const valuesOf = new Map(Object.entries(axes).map(([name, values]) => [name, new Set(values)]));
  for (const [at, entry] of exclude.entries()) {
    if (problems.length > MAX_PROBLEMS) return problems;
    if (Object.keys(entry).length === 0)
      problems.push({ path: [...path, at], message: 'found an empty map, allowed: at least one axis' });
    for (const [name, values] of Object.entries(entry)) {
      const known = valuesOf.get(name);
      const here = [...path, at, name];
      const other = known === undefined ? undefined : values.find((value) => !known.has(value));
      if (known === undefined)
        problems.push({ path: here, message: unknownNameMessage('axis', name, Object.keys(axes)), key: true });
      else if (other !== undefined)
        problems.push({ path: here, message: `found ${describeFound(other)}, allowed: ${listed([...known])}` });
    }
  }
  if (problems.length > 0 || exclude.length === 0) return problems;
  try {
    const { count, idle } = combinationsOf(split);
    if (count === 0) return [{ path, message: 'leaves out every combination, allowed: at least one is left' }];
    const message = 'leaves out nothing: no combination has these values, or others leave them out';
    return idle.slice(0, MAX_PROBLEMS + 1).map((at) => ({ path: [...path, at], message }));
  } catch (error) {
    if (error instanceof RangeError) return [{ path, message: error.message }];
    throw error;
  }
}

const listed = (values: readonly string[]): string =>
  `${values.slice(0, VALUES_SHOWN).join(', ')}${values.length > VALUES_SHOWN ? ', ...' : ''}`;
