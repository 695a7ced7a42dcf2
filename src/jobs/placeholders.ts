import { closest } from '../lib/closest.ts';
import { type JobSpec, type StepSpec, sectionStart, takesFiles, takesPacks } from '../model/job.ts';
import { placeholdersOf, TASK_PLACEHOLDERS, valueVariable } from '../model/substitute.ts';

/** A `{word}` in a command that stays as it is, although its author may have meant a placeholder. */
export interface UnknownPlaceholder {
  readonly step: string;
  /** `{nmae} is not a placeholder, so the program gets that text`. */
  readonly what: string;
  readonly hint: string;
}

/** Programs whose arguments are text of a language with braces of its own. */
const LANGUAGES = /^(|[gmn])awk$|^(go)?jq$|^yq$|^perl$|^sed$|^find$|^xargs$|^parallel$|^g?m4$/;
/** After these options, an argument is such text for every program: `sh -c`, `node -e`. */
const CODE = /^(-[a-z]*[ce]|--eval|--print|-p)$/;

/**
 * The words in braces that no task of a step has a value for. Leaves out what other languages write: `${HOME}`,
 * `%{http_code}`, `{{Names}}`, the programs of awk and jq. `period`: whether the job has one; `columns`: of its tables.
 */
export function unknownPlaceholders(
  spec: JobSpec,
  period: boolean,
  columns: readonly string[] = [],
): readonly UnknownPlaceholder[] {
  return spec.steps.flatMap((step, index) => {
    const found =
      typeof step.run === 'string'
        ? inText(step.run, spec)
        : inArguments(step.run, namesOf(spec, index, period, columns));
    return found.map((one) => ({ step: step.name, ...one }));
  });
}

type Found = Omit<UnknownPlaceholder, 'step'>;

function inArguments(run: Exclude<StepSpec['run'], string>, names: Names): readonly Found[] {
  const program = (run[0] ?? '').split('/').at(-1) ?? '';
  if (LANGUAGES.test(program)) return [];
  const isCode = (at: number): boolean => CODE.test(run[at - 1] ?? '');
  const words = run.flatMap((argument, at) => (isCode(at) ? [] : wordsOf(argument)));
  const code = run.flatMap((argument, at) => (isCode(at) ? wordsOf(argument) : []));
  return [
    ...inCode(program, code, names),
    ...[...new Set(words)].flatMap((word): readonly Found[] => {
      if (names.known.includes(word)) return [];
      const why = Object.hasOwn(names.absent, word) ? names.absent[word] : undefined;
      if (why !== undefined) return [{ what: `{${word}} has no value here, so the program gets that text`, hint: why }];
      const meant = closest(word, names.known);
      const listed = `known here: ${names.known.map((name) => `{${name}}`).join(', ')}`;
      const hint = meant === null ? listed : `did you mean {${meant}}?`;
      return [{ what: `{${word}} is not a placeholder, so the program gets that text`, hint }];
    }),
  ];
}

/** Values from outside in the text of `python3 -c` and the like; a shell's is refused (`spec/check.ts`). */
function inCode(program: string, words: readonly string[], { known, own }: Names): readonly Found[] {
  return [...new Set(words)].flatMap((word): readonly Found[] => {
    const variable = known.includes(word) ? valueVariable(word, own) : null;
    if (variable === null) return [];
    const what = `{${word}} is replaced in code, so ${program} reads its value as code, too`;
    return [{ what, hint: `read the variable ${variable} there instead` }];
  });
}

interface Names {
  /** Placeholders that every task of the step has. */
  readonly known: readonly string[];
  /** Other placeholders, and why the step's tasks don't have them. */
  readonly absent: Readonly<Record<string, string>>;
  /** The job's parameters, and axes. */
  readonly own: readonly string[];
}

function namesOf({ params, input, steps }: JobSpec, index: number, period: boolean, columns: readonly string[]): Names {
  const split = input?.split;
  const start = sectionStart(steps, index);
  const gathered = steps[start]?.gather === true;
  const axes = split?.by === 'grid' ? Object.keys(split.axes) : columns;
  const ofChain = start > 0 || gathered ? [] : split?.by === 'list' ? ['item'] : axes;
  const isMade = split?.by === 'range' || split?.by === 'grid';
  const isPacked = takesPacks({ input, steps }, index);
  const hasName = takesFiles(steps, start) || !(gathered || isPacked || (start === 0 && isMade));
  const noName = gathered
    ? 'after a gather there is no single input'
    : isPacked
      ? 'a pack has no single input'
      : `a ${split?.by} has no input files`;
  const given = TASK_PLACEHOLDERS.filter((name) => hasName || (name !== 'name' && name !== 'stem'));
  return {
    own: [...Object.keys(params), ...axes],
    known: [...new Set([...given, ...ofChain, ...(period ? ['period'] : []), ...Object.keys(params)])],
    absent: {
      ...(!hasName && { name: noName, stem: noName }),
      ...(!period && { period: 'set it with --period P' }),
      ...(start > 0 && Object.fromEntries(axes.map((name) => [name, 'it holds until a gather or an explode']))),
      item: split?.by === 'list' ? 'it holds until a gather or an explode' : 'only the split list has it',
    },
  };
}

/** In a shell's text nothing is replaced, so only words that are placeholders elsewhere are suspicious. */
function inText(text: string, { params }: JobSpec): readonly Found[] {
  if (text.split(/[^\w-]+/).some((word) => LANGUAGES.test(word) && word !== '')) return [];
  return [...new Set(wordsOf(text))].flatMap((word): readonly Found[] => {
    const variable = Object.hasOwn(params, word) ? `PARAM_${word.toUpperCase()}` : VARIABLES.get(word);
    if (variable === undefined) return [];
    const field = variable === 'INPUT' ? 'input' : variable === 'OUTPUT' ? 'output' : null;
    const how = field === null ? '' : `, and give the step ${field}: file`;
    return [{ what: `{${word}} is not replaced in the text of a shell`, hint: `use "$BATCHCTL_${variable}"${how}` }];
  });
}

const VARIABLES: ReadonlyMap<string, string> = new Map([
  ['input', 'INPUT'],
  ['output', 'OUTPUT'],
  ['name', 'INPUT_BASENAME'],
  ['stem', 'INPUT_STEM'],
  ['index', 'INDEX'],
  ['item', 'PARAM_ITEM'],
  ['period', 'PARAM_PERIOD'],
]);

/** The words in braces of a text, except after `$`, `%`, `#`, `@` or a backslash, which other languages use. */
function wordsOf(text: string): readonly string[] {
  return placeholdersOf(text.replace(/[$%#@\\]\{\w*\}/g, ''));
}
