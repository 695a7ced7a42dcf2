import { findCommand } from '../commands.ts';
import type { Context } from '../context.ts';

/** The job that the words so far name, for what is completed within it; undefined (the latest) when they name none. */
export async function jobTyped(ctx: Context, words: readonly string[]): Promise<string | undefined> {
  const found = findCommand(words.filter((word) => !word.startsWith('-')));
  if (found === null) return undefined;
  const definition = (await found.entry.load())(ctx);
  const at = Object.keys(definition.arguments).findIndex((spec) => /^[<[]job[>\]]$/.test(spec));
  const valued = new Set(
    Object.keys(definition.options).flatMap((flags) => (flags.includes('<') ? (flags.match(/--?[\w-]+/g) ?? []) : [])),
  );
  const operands: string[] = [];
  // The last word is the one that is being typed.
  for (let i = 0; i < words.length - 1; i += 1) {
    const word = words[i] ?? '';
    if (word === '--job') return words[i + 1];
    if (word.startsWith('--job=')) return word.slice('--job='.length);
    if (valued.has(word)) i += 1;
    else if (!word.startsWith('-')) operands.push(word);
  }
  return at < 0 ? undefined : operands[found.entry.name.split(' ').length + at];
}
