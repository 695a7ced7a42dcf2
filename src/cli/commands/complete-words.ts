import { type CommandDefinition, type CommandTable, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { print } from '../render.ts';

export function completeWordsCommand(ctx: Context, table: CommandTable): CommandDefinition {
  return defineCommand({
    arguments: { '<kind>': 'what to list: jobs, tasks, steps, causes, groups, ...' },
    writes: false,
    passThrough: true,
    output: null,
    help: {
      about:
        'Called by the scripts that completion prints. Lists candidates for the last word, one per line. Never fails.',
      examples: ['batchctl __complete jobs -- status ""'],
      exitCodes: [[0, 'also if there are no candidates']],
      related: ['completion'],
    },
    run: (input) => completeWords({ ctx, table, ...input }),
  });
}

export interface CompleteWordsOptions {
  readonly ctx: Context;
  readonly table: CommandTable;
  readonly kind: string;
  readonly rest: readonly string[] | null;
}

/** Prints candidates for the last word. On any error it prints nothing, so that the shell isn't disturbed. */
export async function completeWords({ ctx, table, kind, rest }: CompleteWordsOptions): Promise<void> {
  const words = rest ?? [];
  const { asTyped, valuesOf } = await import('../completion/values.ts');
  const asked = asTyped(ctx, words);
  try {
    const typed = words.at(-1)?.replace(/^--[\w-]+=/, '') ?? '';
    const found = (
      await valuesOf({ ctx: asked.ctx, table }, kind as Parameters<typeof valuesOf>[1], asked.words)
    ).filter(
      // A line break would split the word in two, or form a word that the shell script interprets itself.
      ([word]) => word.startsWith(typed) && !/\p{Cc}/u.test(word),
    );
    const lines = found.map(([word, text]) => `${word}\t${text.replace(/\s+/g, ' ').slice(0, 100)}\n`);
    await print(ctx, lines.join(''));
  } catch (error) {
    ctx.detail(`no completion: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    await asked.ctx.close().catch(() => undefined);
  }
}
