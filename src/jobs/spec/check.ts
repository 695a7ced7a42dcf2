import { messageOf } from '../../errors.ts';
import { isRecord } from '../../lib/json.ts';
import { describeFound, MAX_PROBLEMS, type Path, type Problem, unknownNameMessage } from '../../lib/problems.ts';
import { countersOf, parseExpect } from '../../model/expect.ts';
import { isRehearsalGroup } from '../../model/rehearsal.ts';
import { shellTextAt } from '../../model/shell-text.ts';
import { BUILT_IN_PARAMS, placeholdersOf, usesPlaceholder, valueVariable } from '../../model/substitute.ts';
import { checkGrid } from './check-grid.ts';
import { LONGEST_TEXT } from './schema.ts';

export type Loose = Readonly<Record<string, unknown>>;

export const looseMap = (value: unknown): Loose | null => (isRecord(value) ? value : null);

const entriesOf = (value: unknown): [string, unknown][] => Object.entries(looseMap(value) ?? {});

export const itemsOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** Rules between a step's fields, and between steps. A null isn't a step, which is reported elsewhere. */
function checkSteps(steps: readonly (Loose | null)[], own: readonly string[], split: Loose | null): Problem[] {
  const isPacked = split?.pack !== undefined;
  const takesFiles = !isPacked && (split?.by ?? 'file') === 'file';
  const problems: Problem[] = [];
  const places = new Map<string, number>();
  for (const [index, step] of steps.entries()) {
    if (problems.length > MAX_PROBLEMS) break;
    if (step === null) continue;
    const report = (field: string, message: string, key = false): void => {
      problems.push({ path: ['steps', index, ...field.split('.')], message, key });
    };
    if (typeof step.name === 'string') {
      const other = places.get(step.name);
      if (other === undefined) places.set(step.name, index);
      else report('name', `found ${JSON.stringify(step.name)}, also used by steps[${other}]; allowed: a unique name`);
      if (step.name === 'input')
        report('name', 'found "input", which has a special meaning in expect; allowed: another name');
    }
    const gather = step.gather === true;
    if (gather && index === 0)
      report('gather', 'the first step has nothing to gather; allowed from the second step on');
    if (!gather && !(isPacked && index === 0) && (step.input === 'dir' || step.input === 'list')) {
      const who = 'a gather, or the first step of a split with pack';
      report('input', `found ${step.input}, which is only for ${who}; allowed here: stdin, file`);
    }
    if (step.input === 'url' && (index > 0 || !takesFiles))
      report('input', 'found url, which is only for the first step of a split by file without pack; allowed: file');
    if (!gather || step.input === 'dir' || step.input === 'list') {
      const only = 'only a gather that reads joined outputs (input: stdin or file)';
      if (step.header === 'once') report('header', `${only} has a header to keep once`, true);
      if (step.join !== undefined) report('join', `${only} joins`, true);
    }
    const run = argvOf(step.run);
    const named = usesPlaceholder(run, 'output') && !own.includes('output');
    if (named && (step.output === 'stdout' || step.output === 'none'))
      report('output', `found ${step.output}, but {output} in run is the path of a file; allowed: file, files`);
    if (step.extension !== undefined && step.output !== 'file' && !(named && step.output === undefined))
      report('extension', 'needs output: file, or {output} in run, whose extension it is', true);
    const shell = shellTextAt(run);
    if (step.input === 'url' && shell !== null && placeholdersOf(run[shell] ?? '').includes('input')) {
      const message = 'found {input} in the text of a shell, where a URL is several words; use "$BATCHCTL_INPUT"';
      problems.push({ path: ['steps', index, 'run', shell], message });
    }
    for (const [at, message] of shellProblems(run, own)) problems.push({ path: ['steps', index, 'run', at], message });
    if (step.explode === true) {
      const next = steps[index + 1];
      if (step.output !== 'files') report('explode', 'needs output: files, whose files become the parts');
      if (next === undefined) report('explode', 'needs a step after it that processes the files');
      else if (next?.gather === true) report('explode', 'needs a map step after it, not a gather');
    }
    if (step.interruptions !== undefined && step.fallback === undefined) {
      report('interruptions', 'needs fallback: the group that takes tasks interrupted so often', true);
    }
    if (typeof step.group === 'string' && isRehearsalGroup(step.group))
      report('group', `found ${JSON.stringify(step.group)}, which is reserved for rehearsals; allowed: any other name`);
    if (typeof step.fallback === 'string' && step.fallback === (step.group ?? 'default')) {
      report('fallback', `found ${JSON.stringify(step.fallback)}, the step's own group; allowed: another group`);
    }
    const env = new Set(entriesOf(step.env).map(([name]) => name));
    for (const [name] of entriesOf(step.secrets)) {
      if (env.has(name)) report(`secrets.${name}`, 'is also in env; allowed: only one of them', true);
    }
  }
  return problems;
}

/**
 * Checks what a single field can't show: names that must differ, fields that need or exclude each other. Works on the
 * file as written, even if some fields are invalid, so that all mistakes are reported together. Each check stops once
 * it has found more than can be reported.
 */
export function checkJobFile(value: unknown): Problem[] {
  const job = looseMap(value);
  if (job === null) return [];
  const steps = itemsOf(job.steps).map(looseMap);
  const split = looseMap(looseMap(job.input)?.split);
  return [
    ...checkSteps(steps, ownNames(job), split),
    ...checkSplit(job),
    ...checkParams(job),
    ...checkExpect(job, steps),
  ];
}

/** The names of a job's own parameters and axes. */
function ownNames(job: Loose): readonly string[] {
  const axes = looseMap(looseMap(job.input)?.split)?.axes;
  return [...entriesOf(job.params), ...entriesOf(axes)].map(([name]) => name);
}

/** A command's arguments as text; none for a shell's text. */
const argvOf = (run: unknown): readonly string[] => itemsOf(run).map((word) => (isRecord(word) ? '' : String(word)));

/** Placeholders in the text of a shell, whose values it would read as code: by the argument's position. */
export function shellProblems(run: readonly string[], own: readonly string[]): readonly (readonly [number, string])[] {
  const at = shellTextAt(run);
  if (at === null) return [];
  const names = new Set(placeholdersOf(run[at] ?? ''));
  return [...names].flatMap((name) => {
    const variable = valueVariable(name, own);
    if (variable === null) return [];
    const way = `use "$${variable}", or pass {${name}} as an argument after the text and use "$1"`;
    return [[at, `found {${name}} in the text of a shell, which would read the value as code; ${way}`] as const];
  });
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
        message: 'found both every and size, allowed: only one of them',
        key: true,
      });
    } else if (split.every === undefined && split.size === undefined) {
      problems.push({ path, message: 'requires every (records per task) or size (such as 32MB)' });
    }
  }
  const pack = looseMap(split.pack);
  if (by === 'file' && pack !== null && pack.files === undefined && pack.bytes === undefined)
    problems.push({ path: [...path, 'pack'], message: 'requires files (a number), bytes (such as 256MB), or both' });
  if (
    (by === 'csv' || by === 'table') &&
    typeof split.delimiter === 'string' &&
    split.delimiter === (split.quote ?? '"')
  ) {
    problems.push({
      path: [...path, 'delimiter'],
      message: 'found the same character as quote, allowed: two different characters',
    });
  }
  if (by === 'range' && typeof split.from === 'number' && typeof split.to === 'number' && split.to < split.from) {
    problems.push({ path: [...path, 'to'], message: `found ${split.to}, allowed: from (${split.from}) or more` });
  }
  if (by === 'grid' && split.axes !== undefined && entriesOf(split.axes).length === 0) {
    problems.push({ path: [...path, 'axes'], message: 'found no axis, allowed: at least one' });
  }
  if (by === 'grid') problems.push(...checkGrid(split, path));
  if ((by === 'range' || by === 'grid') && input.from !== undefined) {
    const message = `found an input, but split by ${by} needs none: remove from`;
    problems.push({ path: ['input', 'from'], message, key: true });
  }
  return problems;
}

function checkParams(job: Loose): Problem[] {
  const problems: Problem[] = [];
  const input = looseMap(job.input);
  const split = looseMap(input?.split);
  const given: readonly string[] = BUILT_IN_PARAMS;
  // Environment variables use upper-case names, so two parameters that differ only in case would collide.
  const taken = new Map<string, string>();
  const names: [string, Path][] = entriesOf(job.params).map(([name]) => [name, ['params', name]]);
  for (const [name] of entriesOf(split?.axes)) names.push([name, ['input', 'split', 'axes', name]]);
  for (const [name, path] of names) {
    if (problems.length > MAX_PROBLEMS) return problems;
    const other = taken.get(name.toUpperCase());
    if (given.includes(name)) {
      problems.push({ path, message: `${name} is reserved: batchctl sets {${given.join('}, {')}} itself`, key: true });
    } else if (other !== undefined) {
      const message = `${other} exists already: both would be BATCHCTL_PARAM_${name.toUpperCase()}`;
      problems.push({ path, message, key: true });
    }
    taken.set(name.toUpperCase(), name);
  }

  const known = new Set([...entriesOf(job.params).map(([name]) => name), 'period']);
  const list = Array.isArray(input?.from);
  for (const [index, from] of (list ? itemsOf(input?.from) : [input?.from]).entries()) {
    if (typeof from !== 'string' || from.length > LONGEST_TEXT) continue;
    for (const name of placeholdersOf(from)) {
      if (problems.length > MAX_PROBLEMS) return problems;
      if (known.has(name)) continue;
      const message = `${unknownNameMessage('parameter', name, [...known])}; write {{${name}} for the literal text`;
      problems.push({ path: list ? ['input', 'from', index] : ['input', 'from'], message });
    }
  }
  return problems;
}

function checkExpect(job: Loose, steps: readonly (Loose | null)[]): Problem[] {
  const known = new Set(['input', ...steps.flatMap((step) => (typeof step?.name === 'string' ? [step.name] : []))]);
  const problems: Problem[] = [];
  for (const [index, text] of itemsOf(job.expect).entries()) {
    if (problems.length > MAX_PROBLEMS) return problems;
    if (typeof text !== 'string' || text.length > LONGEST_TEXT || text.trim() === '') continue;
    const path = ['expect', index];
    try {
      for (const { step, counter } of countersOf(parseExpect(text))) {
        if (step !== null && !known.has(step))
          problems.push({ path, message: unknownNameMessage('step', step, [...known]) });
        if (step === 'input' && !['records', 'bytes', 'files'].includes(counter)) {
          problems.push({
            path,
            message: unknownNameMessage('count of the input', counter, ['records', 'bytes', 'files']),
          });
        }
      }
    } catch (error) {
      const why = messageOf(error);
      problems.push({ path, message: `found ${describeFound(text)}: ${why}; allowed: price.records == input.records` });
    }
  }
  return problems;
}
