import { BatchctlError } from '../errors.ts';

const PLACEHOLDER = /(\{?)\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/**
 * Placeholders that arguments may use with every split: the paths of the task's input and output, the base name of the
 * file that it comes from, that name without its extension, and the task's number. A job's own parameter of that name
 * takes precedence.
 */
export const TASK_PLACEHOLDERS = ['input', 'output', 'name', 'stem', 'index'] as const;

/** A name that becomes `{name}` in arguments and `BATCHCTL_PARAM_NAME` in commands. */
export const PARAM_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Names that `input.from` and arguments may use besides a job's own parameters. */
export const BUILT_IN_PARAMS = ['period', 'item', 'index'] as const;

/**
 * Replaces `{name}` by a parameter's value. Only existing names are replaced, so that `{print $1}` and `{{.State}}` of
 * other languages stay; `{{name}` is the text `{name}`. With `unknown: 'error'` (inputs) an unknown name throws
 * `jobFile`, with the names that exist; `usage` for a period that wasn't given.
 */
export function substitute(
  text: string,
  params: Readonly<Record<string, string>>,
  where: { readonly field: string; readonly unknown: 'error' | 'keep' },
): string {
  return text.replace(PLACEHOLDER, (whole: string, brace: string, name: string) => {
    const known = Object.hasOwn(params, name);
    if (brace !== '') return known || where.unknown === 'error' ? whole.slice(1) : whole;
    if (known) return params[name] ?? whole;
    if (where.unknown === 'keep') return whole;
    const names = Object.keys(params);
    throw new BatchctlError(
      name === 'period' ? 'usage' : 'jobFile',
      `${where.field}: no parameter {${name}} (${names.length === 0 ? 'the job has none' : `known: ${names.join(', ')}`})`,
      {
        hint:
          name === 'period'
            ? 'set the period with --period P'
            : `declare it in params, or write {{${name}} for the literal text`,
      },
    );
  });
}

/**
 * A step's command with its parameters. A shell's text stays as it is (values could be code): it reads
 * `$BATCHCTL_PARAM_NAME`.
 */
export function substituteRun(
  run: readonly string[] | string,
  params: Readonly<Record<string, string>>,
  field: string,
): readonly string[] | string {
  return typeof run === 'string'
    ? run
    : run.map((argument) => substitute(argument, params, { field, unknown: 'keep' }));
}

/** Whether an argument has the placeholder. In a shell's text nothing is replaced. */
export function usesPlaceholder(run: readonly string[] | string, name: (typeof TASK_PLACEHOLDERS)[number]): boolean {
  return typeof run !== 'string' && run.some((argument) => placeholdersOf(argument).includes(name));
}

/**
 * The variable with the same value as a placeholder whose values come from outside: file names, lines of a list,
 * parameters (`own`: the job's). Null for any other word, and for `{input}`, `{output}` and `{index}`, whose values are
 * paths and numbers of ours.
 */
export function valueVariable(name: string, own: readonly string[]): string | null {
  if (own.includes(name) || name === 'item' || name === 'period') return `BATCHCTL_PARAM_${name.toUpperCase()}`;
  return name === 'name' ? 'BATCHCTL_INPUT_BASENAME' : name === 'stem' ? 'BATCHCTL_INPUT_STEM' : null;
}

export function placeholdersOf(text: string): readonly string[] {
  return [...text.matchAll(PLACEHOLDER)].filter((match) => match[1] === '').map((match) => match[2] ?? '');
}

/** The base name of an input as listed in a job's record: of a path, `store:KEY`, `s3://BUCKET/KEY` or stdin. */
export function baseNameOf(input: string): string {
  if (input === '-') return 'stdin';
  return input.slice(input.lastIndexOf('/') + 1).replace(/^store:/, '');
}

/**
 * A file's name without its last extension, and without one of a packer after it: `claims` for `claims.csv` and
 * `claims.csv.gz`. A dot at the beginning starts no extension.
 */
export function stemOf(name: string): string {
  return unpackedName(name).replace(LAST_EXTENSION, '');
}

/**
 * The suffix that `stemOf` removes: `.csv` of `claims.csv`, `.csv.gz` of `claims.csv.gz`; with `unpacked`, which is for
 * a file that was decompressed, `.csv` of both. Empty if there is none, or if it has characters that a path of ours
 * should not have.
 */
export function extensionOf(name: string, { unpacked = false } = {}): string {
  const inner = unpackedName(name);
  const extension = (LAST_EXTENSION.exec(inner)?.[0] ?? '') + (unpacked ? '' : name.slice(inner.length));
  return EXTENSION.test(extension) ? extension : '';
}

/** An extension that may be part of a path: of letters, digits, `_` and `-`, short. */
export const EXTENSION = /^(?=.{2,32}$)(\.[A-Za-z0-9_-]+)+$/;

const LAST_EXTENSION = /(?<=[^.].*)\.[^.]*$/;

const unpackedName = (name: string): string => name.replace(/(?<=.)\.(gz|zst|bz2|xz|lz4|br|Z)$/, '');

/** The extension that a pattern for names gives to all of them: `.mkv` of `{stem}.mkv`; empty if there is none. */
export function extensionOfPattern(pattern: string): string {
  const base = pattern.slice(pattern.lastIndexOf('/') + 1);
  return extensionOf(base.includes('}') ? `x${base.slice(base.lastIndexOf('}') + 1)}` : base);
}
