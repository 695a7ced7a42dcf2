import { BatchctlError } from '../../errors.ts';
import type { JobSpec } from '../../model/job.ts';
import { BUILT_IN_PARAMS } from '../../model/substitute.ts';
import { deliveredNamesCheck } from '../deliver/deliver-to.ts';
import { checkNamePattern, equalNamesCheck, type NameCheck } from '../fetch/names.ts';
import { shellProblems } from '../spec/check.ts';
import { decompressed } from '../split/decompress.ts';
import { listItems } from '../split/split-inputs.ts';
import { type ColumnsCheck, tableRows } from '../split/table-rows.ts';
import type { Prepared } from './prepared.ts';
import type { FoundInput } from './upload-inputs.ts';

/**
 * Checks the columns of a job's tables as a job file's own parameters are checked: names that have another meaning, values
 * that a shell would read as code. All tables of a job have the same columns. Throws `jobFile`.
 */
export function columnsCheck({ params, steps }: Pick<JobSpec, 'params' | 'steps'>): ColumnsCheck {
  let first: { readonly columns: readonly string[]; readonly input: string } | null = null;
  const declared = new Map(Object.keys(params).map((name) => [name.toUpperCase(), name]));
  const reserved: readonly string[] = [...BUILT_IN_PARAMS, 'output'];
  return (columns, input) => {
    const wrong = (what: string, hint: string): BatchctlError =>
      new BatchctlError('jobFile', `${input}: ${what}`, { hint });
    for (const column of columns) {
      const other = declared.get(column.toUpperCase());
      if (reserved.includes(column))
        throw wrong(`the column ${column} is reserved: batchctl sets {${column}} itself`, 'rename the column');
      if (other !== undefined)
        throw wrong(
          `the column ${column} is also a parameter of the job, ${other}: both would be BATCHCTL_PARAM_${column.toUpperCase()}`,
          `rename the column, or remove ${other} from params`,
        );
    }
    if (first === null) {
      first = { columns, input };
      const own = [...Object.keys(params), ...columns];
      for (const { name, run } of steps) {
        const [problem] = typeof run === 'string' ? [] : shellProblems(run, own);
        if (problem !== undefined)
          throw new BatchctlError('jobFile', `step ${name}, run[${problem[0]}]: ${problem[1]}`, {
            hint: 'see Placeholders and parameters in docs/job-file.md',
          });
      }
      return;
    }
    const lacking = first.columns.find((name) => !columns.includes(name));
    const added = columns.find((name) => !first?.columns.includes(name));
    if (lacking === undefined && added === undefined) return;
    const what = lacking !== undefined ? `lacks the column ${lacking}` : `has the column ${added}`;
    throw wrong(
      `${what}, unlike ${first.input} (${first.columns.join(', ')})`,
      'give all tables of a job the same columns',
    );
  };
}

/**
 * Reads the rows of a job's tables, and the items of its lists if their outputs' names are to be checked, so that mistakes
 * in them are found before anything is written. Returns the tables' columns; null if there is none to read: a pipe can be
 * read only once, and of a plan only its result is here.
 */
export async function readRows(
  spec: JobSpec,
  inputs: readonly FoundInput[],
  checkName: NameCheck | null,
): Promise<readonly string[] | null> {
  const split = spec.input?.split;
  if (split?.by === 'file' && checkName !== null) for (const { source } of inputs) checkName(source.index, null);
  if (split?.by === 'list' && checkName !== null) {
    for (const { source } of inputs) {
      if (source.random === null) continue;
      for await (const items of listItems(source.name, decompressed(source)))
        for (const item of items) checkName(source.index, { item });
    }
  }
  if (split?.by !== 'table') return null;
  const check = columnsCheck(spec);
  let known: readonly string[] | null = null;
  const onColumns: ColumnsCheck = (columns, input) => {
    check(columns, input);
    known ??= columns;
  };
  for (const { source } of inputs) {
    if (source.random === null) continue;
    for await (const rows of tableRows(source.name, split, decompressed(source), onColumns))
      for (const { params } of rows) checkName?.(source.index, params);
  }
  return known;
}

/**
 * Checks the names of the outputs that the job delivers and that its submitter wants. Null: they can't be equal, or aren't
 * known yet. Throws `usage`, and `jobFile` for delivered ones; at once for a pattern that can't name the outputs.
 */
export function namesCheck(
  { request, spec }: Pick<Prepared, 'request' | 'spec'>,
  inputs: readonly FoundInput[],
): NameCheck | null {
  const job = { spec, inputs: inputs.map(({ input }) => input) };
  const { resultNames } = request;
  if (resultNames !== undefined) checkNamePattern(resultNames, spec, spec.steps.length - 1);
  const checks = [
    deliveredNamesCheck(job),
    resultNames === undefined ? null : equalNamesCheck(job, resultNames),
  ].filter((check) => check !== null);
  if (checks.length === 0) return null;
  return (input, params) => {
    for (const check of checks) check(input, params);
  };
}
