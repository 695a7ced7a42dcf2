import { BatchctlError } from '../../errors.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { answer, answerList } from '../render.ts';

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
      related: ['config schema', 'doctor', 'init'],
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
      { title: 'value of', value: (row) => row.path, min: 16 },
      { title: 'is', value: (row) => (typeof row.value === 'string' ? row.value : JSON.stringify(row.value)) },
      { title: 'from', value: (row) => row.origin, tint: (row) => (row.origin === 'default' ? 'faint' : null) },
    ],
    empty: 'no values',
  });
}

export function configSchemaCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    writes: false,
    output: { type: 'object', description: 'a JSON Schema' },
    help: {
      about: 'Editors use it to complete and check a configuration whose "$schema" refers to it.',
      examples: ['batchctl config schema > config.schema.json'],
      exitCodes: [0],
      related: ['config show', 'job schema', 'schema'],
    },
    run: () => configSchema({ ctx }),
  });
}

export interface ConfigSchemaOptions {
  readonly ctx: Context;
}

export async function configSchema({ ctx }: ConfigSchemaOptions): Promise<void> {
  const { configJsonSchema } = await import('../../config/schema.ts');
  const document = configJsonSchema();
  await answer(ctx, { json: document, text: JSON.stringify(document, null, 2) });
}
