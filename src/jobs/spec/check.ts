import { describeFound, MOST_PROBLEMS, type Path, type Problem, unknownName } from '../../lib/problems.ts';
import { countersOf, parseExpect } from '../../model/expect.ts';
import { GIVEN_PARAMS, placeholdersOf } from '../../model/substitute.ts';
import { checkSteps } from './check-steps.ts';
import { entriesOf, itemsOf, type Loose, looseMap } from './loose.ts';
import { LONGEST_TEXT } from './schema-split.ts';

/**
 * What a field alone can't show: names that must differ, fields that need or exclude each other.
 * Works on the file as written, also when fields of it are wrong, so that all mistakes are reported together. Each check
 * stops where it has found more than can be told.
 */
export function checkJobFile(value: unknown): Problem[] {
  const job = looseMap(value);
  if (job === null) return [];
  const steps = itemsOf(job.steps).map(looseMap);
  return [...checkSteps(steps), ...checkSplit(job), ...checkParams(job), ...checkExpect(job, steps)];
}

function checkSplit(job: Loose): Problem[] {
  const input = looseMap(job.input);
  const split = looseMap(input?.split);
  if (input === null || split === null) return [];
  const path: Path = ['input', 'split'];
  const problems: Problem[] = [];
  const by = String(split.by);
  if (['lines', 'csv', 'jsonl', 'records'].includes(by)) {
    if (split.every !== undefined && split.size !== undefined) {
      problems.push({
        path: [...path, 'size'],
        message: 'found both every and size, allowed: one of the two',
        key: true,
      });
    } else if (split.every === undefined && split.size === undefined) {
      problems.push({ path, message: 'needs one of every (records a task) and size (such as 32MB)' });
    }
  }
  if (by === 'csv' && typeof split.delimiter === 'string' && split.delimiter === (split.quote ?? '"')) {
    problems.push({
      path: [...path, 'delimiter'],
      message: 'found the same character as quote, allowed: two different ones',
    });
  }
  if (by === 'range' && typeof split.from === 'number' && typeof split.to === 'number' && split.to < split.from) {
    problems.push({ path: [...path, 'to'], message: `found ${split.to}, allowed: from (${split.from}) or more` });
  }
  if (by === 'grid' && split.axes !== undefined && entriesOf(split.axes).length === 0) {
    problems.push({ path: [...path, 'axes'], message: 'found no axis, allowed: at least one' });
  }
  if ((by === 'range' || by === 'grid') && input.from !== undefined) {
    const message = `found an input, but split by ${by} makes the parts without one: leave from out`;
    problems.push({ path: ['input', 'from'], message, key: true });
  }
  return problems;
}

function checkParams(job: Loose): Problem[] {
  const problems: Problem[] = [];
  const input = looseMap(job.input);
  const split = looseMap(input?.split);
  const given: readonly string[] = GIVEN_PARAMS;
  // Environment variables are the upper-case names: two that differ in case alone would be one.
  const taken = new Map<string, string>();
  const names: [string, Path][] = entriesOf(job.params).map(([name]) => [name, ['params', name]]);
  for (const [name] of entriesOf(split?.axes)) names.push([name, ['input', 'split', 'axes', name]]);
  for (const [name, path] of names) {
    if (problems.length > MOST_PROBLEMS) return problems;
    const other = taken.get(name.toUpperCase());
    if (given.includes(name)) {
      problems.push({ path, message: `${name} is reserved: batchctl itself sets {${given.join('}, {')}}`, key: true });
    } else if (other !== undefined) {
      const message = `${other} is there already: both would be BATCHCTL_PARAM_${name.toUpperCase()}`;
      problems.push({ path, message, key: true });
    }
    taken.set(name.toUpperCase(), name);
  }

  const known = new Set([...entriesOf(job.params).map(([name]) => name), 'period']);
  const list = Array.isArray(input?.from);
  for (const [index, from] of (list ? itemsOf(input?.from) : [input?.from]).entries()) {
    if (typeof from !== 'string' || from.length > LONGEST_TEXT) continue;
    for (const name of placeholdersOf(from)) {
      if (problems.length > MOST_PROBLEMS) return problems;
      if (known.has(name)) continue;
      const message = `${unknownName('parameter', name, [...known])}; {{${name}} is the text itself`;
      problems.push({ path: list ? ['input', 'from', index] : ['input', 'from'], message });
    }
  }
  return problems;
}

function checkExpect(job: Loose, steps: readonly (Loose | null)[]): Problem[] {
  const known = new Set(['input', ...steps.flatMap((step) => (typeof step?.name === 'string' ? [step.name] : []))]);
  const problems: Problem[] = [];
  for (const [index, text] of itemsOf(job.expect).entries()) {
    if (problems.length > MOST_PROBLEMS) return problems;
    if (typeof text !== 'string' || text.length > LONGEST_TEXT || text.trim() === '') continue;
    const path = ['expect', index];
    try {
      for (const { step, counter } of countersOf(parseExpect(text))) {
        if (step !== null && !known.has(step)) problems.push({ path, message: unknownName('step', step, [...known]) });
        if (step === 'input' && !['records', 'bytes', 'files'].includes(counter)) {
          problems.push({ path, message: unknownName('count of the input', counter, ['records', 'bytes', 'files']) });
        }
      }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      problems.push({
        path,
        message: `found ${describeFound(text)}: ${why}; allowed: price.records == input.records`,
      });
    }
  }
  return problems;
}
