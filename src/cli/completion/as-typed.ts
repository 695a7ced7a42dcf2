import { type Context, openContext } from '../context.ts';
import { splitGlobalFlags } from '../global-flags.ts';

/** A context with the `--config` and `--profile` of the line that is being typed, and its words without such flags. */
export function asTyped(
  ctx: Context,
  words: readonly string[],
): { readonly ctx: Context; readonly words: readonly string[] } {
  const { io, signal, stopNow, closed } = ctx;
  const before = words.slice(0, -1);
  try {
    const split = splitGlobalFlags(before);
    const flags = { ...split.flags, quiet: true };
    return { ctx: openContext({ flags, io, signal, stopNow, closed }), words: [...split.words, words.at(-1) ?? ''] };
  } catch {
    // Half of a flag is typed: the line isn't one yet.
    return { ctx: openContext({ flags: { ...ctx.flags, quiet: true }, io, signal, stopNow, closed }), words };
  }
}
