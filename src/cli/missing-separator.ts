import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BatchctlError } from '../errors.ts';
import { shellWord } from '../lib/shell-word.ts';
import type { CommandDefinition, CommandEntry } from './command.ts';
import { leadingWords } from './parse.ts';

/**
 * The error for words that are a command to run without the `--` before it, with what to type; null if they seem to be
 * something else: a job file, or a mistake in this command's own options.
 */
export function missingSeparator(
  entry: CommandEntry,
  definition: CommandDefinition,
  words: readonly string[],
  cwd: string,
): BatchctlError | null {
  const own = leadingWords(entry, definition, words);
  const command = own === null ? [] : words.slice(own.length);
  const [program = ''] = command;
  if (own === null || program === '' || /\.(ya?ml|json)$/i.test(program)) return null;
  // A job file may have any name.
  if (!program.includes('/') && existsSync(join(cwd, program))) return null;
  return separatorError(program, [...own, '--', ...command]);
}

export function separatorError(program: string, words: readonly string[]): BatchctlError {
  return new BatchctlError('usage', `expected -- before the command, found ${shellWord(program)} without it`, {
    hint: `batchctl run ${words.map(shellWord).join(' ')}`,
  });
}
