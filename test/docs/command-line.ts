import { findCommand } from '../../src/cli/commands.ts';
import { openContext } from '../../src/cli/context.ts';
import { splitGlobalFlags } from '../../src/cli/global-flags.ts';
import { processIo } from '../../src/cli/io.ts';
import { parseCommand } from '../../src/cli/parse.ts';

/** The batchctl commands in a line of shell, each up to a pipe, a redirection or an operator. */
export function linesOf(example: string): readonly (readonly string[])[] {
  const [line = ''] = example.split(/ #/);
  return line
    .split(/\s(?:\||&&|\|\||;)\s/)
    .map((part) => part.replace(/\s\d?>{1,2}\s?\S+/g, '').trim())
    .filter((part) => /^(\w+=\S+ )*batchctl /.test(part))
    .map((part) => wordsOf(part.replace(/^(\w+=\S+ )*batchctl /, '')));
}

function wordsOf(text: string): readonly string[] {
  return [...text.matchAll(/(?:'[^']*'|"[^"]*"|\\.|[^\s'"\\])+/g)].map(([word]) =>
    word.replace(
      /'([^']*)'|"([^"]*)"/g,
      (_, single: string | undefined, double: string | undefined) => single ?? double ?? '',
    ),
  );
}

/** Throws for a line that is not a command line of this program. */
export async function parseLine(argv: readonly string[]): Promise<void> {
  const { flags, words, rest } = splitGlobalFlags(argv);
  const found = findCommand(words);
  if (found === null) throw new Error('there is no such command');
  const definition = (await found.entry.load())(commandContext(flags));
  const all = definition.passThrough || rest === null ? found.words : [...found.words, '--', ...rest];
  parseCommand(found.entry, definition, all);
}

/** A context in which commands describe themselves; it opens nothing. */
export function commandContext(flags = splitGlobalFlags([]).flags) {
  const { signal } = new AbortController();
  return openContext({ flags, io: processIo(), closed: signal, signal, stopNow: signal });
}
