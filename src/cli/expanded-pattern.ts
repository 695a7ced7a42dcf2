import { existsSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { BatchctlError } from '../errors.ts';

const JOB_FILE = /\.(ya?ml|json)$/i;

/**
 * The error for a pattern that the shell expanded after `--input`, or for inputs without `--input` after a job file; null
 * if the words read otherwise.
 */
export function expandedPattern(words: readonly string[], cwd: string): BatchctlError | null {
  const at = words.indexOf('--input');
  const [jobfile = ''] = words;
  if (at < 0 && !JOB_FILE.test(jobfile)) return null;
  const after = words.slice(at < 0 ? 1 : at + 1);
  const end = after.findIndex((word) => word.startsWith('-'));
  const files = after.slice(0, end < 0 ? undefined : end).filter((word) => !JOB_FILE.test(word));
  const [first, ...more] = files;
  if (first === undefined || !files.every((file) => existsSync(join(cwd, file)))) return null;
  if (at < 0) {
    return new BatchctlError('usage', `expected --input before an input, found ${shown(files)} after ${jobfile}`, {
      hint: `write --input '${patternOf(files)}'${more.length === 0 ? '' : ' for all such files, or --input before each file'}`,
    });
  }
  return more.length === 0 ? null : expandedPatternError(first, more);
}

/** The error for an input followed by a word that is no job file. */
export function inputAsJobFile(inputs: readonly string[], jobfile: string, cwd: string): BatchctlError | null {
  const last = inputs.at(-1);
  if (last === undefined || JOB_FILE.test(jobfile) || !existsSync(join(cwd, jobfile))) return null;
  return expandedPatternError(last, [jobfile]);
}

function expandedPatternError(first: string, more: readonly string[]): BatchctlError {
  const files = [first, ...more];
  return new BatchctlError('usage', `expected one value after --input, found ${files.length}: ${shown(files)}`, {
    hint: `a shell expands a pattern that is not quoted: --input '${patternOf(files)}'; or write --input before each file`,
  });
}

/** A pattern that matches all these files; the file's name if there is one; PATTERN if they have little in common. */
function patternOf([first = '', ...more]: readonly string[]): string {
  if (more.length === 0) return first;
  const same = more.every((file) => dirname(file) === dirname(first) && extname(file) === extname(first));
  return same ? join(dirname(first), `*${extname(first)}`) : 'PATTERN';
}

const SHOWN = 3;
const shown = (files: readonly string[]): string =>
  `${files.slice(0, SHOWN).join(', ')}${files.length > SHOWN ? ', ...' : ''}`;
