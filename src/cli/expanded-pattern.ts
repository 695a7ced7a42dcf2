import { existsSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { BatchctlError } from '../errors.ts';

const JOB_FILE = /\.(ya?ml|json)$/i;

/** The error for a pattern that the shell expanded after `--input`; null if the words read otherwise. */
export function expandedPattern(words: readonly string[], cwd: string): BatchctlError | null {
  const at = words.indexOf('--input');
  if (at < 0) return null;
  const after = words.slice(at + 1);
  const end = after.findIndex((word) => word.startsWith('-'));
  const files = after.slice(0, end < 0 ? undefined : end).filter((word) => !JOB_FILE.test(word));
  const [first, ...more] = files;
  if (first === undefined || more.length === 0 || !files.every((file) => existsSync(join(cwd, file)))) return null;
  return expandedPatternError(first, more);
}

/** The error for an input followed by a word that is no job file. */
export function inputAsJobFile(inputs: readonly string[], jobfile: string, cwd: string): BatchctlError | null {
  const last = inputs.at(-1);
  if (last === undefined || JOB_FILE.test(jobfile) || !existsSync(join(cwd, jobfile))) return null;
  return expandedPatternError(last, [jobfile]);
}

function expandedPatternError(first: string, more: readonly string[]): BatchctlError {
  const files = [first, ...more];
  const same = files.every((file) => dirname(file) === dirname(first) && extname(file) === extname(first));
  const pattern = same ? join(dirname(first), `*${extname(first)}`) : 'PATTERN';
  return new BatchctlError('usage', `expected one value after --input, found ${files.length}: ${shown(files)}`, {
    hint: `a shell expands a pattern that is not quoted: --input '${pattern}'; or write --input before each file`,
  });
}

const SHOWN = 3;
const shown = (files: readonly string[]): string =>
  `${files.slice(0, SHOWN).join(', ')}${files.length > SHOWN ? ', ...' : ''}`;
