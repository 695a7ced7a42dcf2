import { BatchctlError } from '../../errors.ts';
import { type CommandDefinition, type CommandTable, defineCommand, type JsonSchema, outputOf } from '../command.ts';
import type { Context } from '../context.ts';
import { answer } from '../render.ts';

export function schemaCommand(ctx: Context, table: CommandTable): CommandDefinition {
  return defineCommand({
    arguments: { '<what...>': 'job, config, or a command as typed' },
    writes: false,
    output: { type: 'object', description: 'a JSON Schema' },
    help: {
      about:
        'job: of a job file. Editors use it to complete and check a YAML file that begins with: # yaml-language-server: $schema=job.schema.json. config: of batchctl.config.json, for its "$schema". A command: of its --json answer, or of one line where it lists things.',
      examples: [
        'batchctl schema job > job.schema.json',
        'batchctl schema config > config.schema.json',
        'batchctl schema status',
      ],
      exitCodes: [0],
      related: ['init', 'plan', 'config show'],
    },
    run: async ({ what }) => {
      const name = what.join(' ');
      const file = Object.hasOwn(FILES, name) ? FILES[name] : undefined;
      const document = file === undefined ? await answerOf(ctx, table, what) : await file();
      await answer(ctx, { json: document, text: JSON.stringify(document, null, 2) });
    },
  });
}

const FILES: Readonly<Record<string, () => Promise<JsonSchema>>> = {
  job: async () => (await import('../../jobs/spec/schema.ts')).jobJsonSchema(),
  config: async () => (await import('../../config/schema.ts')).configJsonSchema(),
};

/**
 * The JSON Schema of a command's `--json` answer. Throws `usage` for a command that is unknown or has no answer.
 */
async function answerOf(ctx: Context, table: CommandTable, command: readonly string[]): Promise<JsonSchema> {
  const name = command.join(' ');
  const found = table.find(command);
  if (found === null || found.words.length > 0) {
    throw new BatchctlError('usage', `expected job, config or a command, found "${name}"`, {
      hint: 'see batchctl help --all',
    });
  }
  const output = await outputOf((await found.entry.load())(ctx));
  if (output === null) {
    throw new BatchctlError('usage', `${name} has no --json answer`, {
      hint: 'choose a command that has an answer',
    });
  }
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: `batchctl ${found.entry.name} --json`,
    ...output,
  };
}
