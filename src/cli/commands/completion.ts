import { BatchctlError } from '../../errors.ts';
import { type CommandDefinition, type CommandTable, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { print } from '../render.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

export function completionCommand(ctx: Context, table: CommandTable): CommandDefinition {
  return defineCommand({
    arguments: { '<shell>': 'bash, zsh or fish' },
    writes: false,
    output: null,
    help: {
      about:
        'Prints a script that completes commands, flags and their values, and names from the store: jobs, tasks, causes, run keys, groups, workers and profiles. For bash: eval "$(batchctl completion bash)" in ~/.bashrc. For zsh: a file _batchctl in $fpath. For fish: a file batchctl.fish in ~/.config/fish/completions.',
      examples: ['batchctl completion bash', 'batchctl completion fish > ~/.config/fish/completions/batchctl.fish'],
      exitCodes: { 0: true },
      related: ['schema', 'config show'],
    },
    run: ({ shell }) => completion(ctx, table, shell),
  });
}

/** Prints a shell's completion script, generated from the command definitions. Throws `usage` for an unknown shell. */
async function completion(ctx: Context, table: CommandTable, shell: string): Promise<void> {
  const known = SHELLS.find((name) => name === shell);
  if (known === undefined) {
    throw new BatchctlError('usage', `expected one of ${SHELLS.join(', ')}, found "${shell}"`, {
      hint: 'batchctl completion bash',
    });
  }
  const { completionScript } = await import('../completion/script.ts');
  await print(ctx, await completionScript(ctx, table, known));
}

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
      exitCodes: { 0: 'also if there are no candidates' },
      related: ['completion'],
    },
    run: ({ kind, rest }) => completeWords(ctx, table, kind, rest),
  });
}

/** Prints candidates for the last word. On any error it prints nothing, so that the shell isn't disturbed. */
async function completeWords(
  ctx: Context,
  table: CommandTable,
  kind: string,
  rest: readonly string[] | null,
): Promise<void> {
  const words = rest ?? [];
  const { parseTypedLine, findCandidates } = await import('../completion/values.ts');
  const asked = parseTypedLine(ctx, words);
  try {
    const typed = words.at(-1)?.replace(/^--[\w-]+=/, '') ?? '';
    const found = (
      await findCandidates({ ctx: asked.ctx, table }, kind as Parameters<typeof findCandidates>[1], asked.words)
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
