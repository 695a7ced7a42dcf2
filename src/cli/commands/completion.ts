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
      exitCodes: [0],
      related: ['schema', 'config show'],
    },
    run: (input) => completion({ ctx, table, ...input }),
  });
}

export interface CompletionOptions {
  readonly ctx: Context;
  readonly table: CommandTable;
  readonly shell: string;
}

/** Prints a shell's completion script, generated from the command definitions. Throws `usage` for an unknown shell. */
export async function completion({ ctx, table, shell }: CompletionOptions): Promise<void> {
  const known = SHELLS.find((name) => name === shell);
  if (known === undefined) {
    throw new BatchctlError('usage', `expected one of ${SHELLS.join(', ')}, found "${shell}"`, {
      hint: 'batchctl completion bash',
    });
  }
  const { completionScript } = await import('../completion/script.ts');
  await print(ctx, await completionScript(ctx, table, known));
}
