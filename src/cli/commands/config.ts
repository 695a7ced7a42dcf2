import { BatchctlError } from '../../errors.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { answerList } from '../render.ts';

export function configShowCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '[path]': 'show only this value and those below it: groups.default' },
    writes: false,
    output: {
      type: 'object',
      required: ['path', 'value', 'origin'],
      properties: {
        path: { type: 'string', description: 'groups.default.max' },
        value: { description: 'as written, or "(hidden)" for a secret' },
        origin: { type: 'string', description: 'a flag, an environment variable, a file and profile, or "default"' },
      },
    },
    help: {
      about:
        'Flags override environment variables, which override the file, which overrides defaults. Secrets are hidden.',
      examples: ['batchctl config show', 'batchctl config show groups.default --profile prod --json'],
      exitCodes: [0, [3, 'the configuration is invalid, or the profile does not exist'], [4, 'no such value']],
      related: ['schema', 'doctor', 'init'],
    },
    run: (input) => configShow({ ctx, ...input }),
  });
}

export interface ConfigShowOptions {
  readonly ctx: Context;
  readonly path: string | undefined;
}

/** Prints each configuration value and where it came from. Throws `config`, and `notFound` for an unknown path. */
export async function configShow({ ctx, path }: ConfigShowOptions): Promise<void> {
  const { explain } = await import('../../config/load-config.ts');
  const config = await ctx.config();
  const values = explain(config).filter(
    (row) => path === undefined || row.path === path || row.path.startsWith(`${path}.`),
  );
  if (values.length === 0 && path !== undefined) {
    throw new BatchctlError('notFound', `profile ${config.profile.name} has no value "${path}"`, {
      hint: 'batchctl config show lists all values that are set',
    });
  }
  await answerList(ctx, {
    rows: values,
    json: (row) => row,
    columns: [
      { title: 'value of', value: (row) => row.path, whole: true },
      { title: 'is', value: (row) => (typeof row.value === 'string' ? row.value : JSON.stringify(row.value)) },
      { title: 'from', value: (row) => row.origin, tint: (row) => (row.origin === 'default' ? 'faint' : null) },
    ],
    empty: 'no values',
  });
}
