import { BatchctlError } from '../errors.ts';

const PLACEHOLDER = /(\{?)\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/**
 * Placeholders that arguments may use with every split: the path of the task's input, the base name of the file that it
 * comes from, that name without its extension, and the task's number. A job's own parameter of that name takes precedence.
 */
export const TASK_PLACEHOLDERS = ['input', 'name', 'stem', 'index'] as const;

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
  return name.replace(/(?<=.)\.(gz|zst|bz2|xz|lz4|br|Z)$/, '').replace(/(?<=[^.].*)\.[^.]*$/, '');
}
