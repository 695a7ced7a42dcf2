import { BatchctlError } from '../../errors.ts';
import { type CommandDefinition, type CommandTable, defineCommand, outputOf } from '../command.ts';
import type { Context } from '../context.ts';
import { answer } from '../render.ts';

export function schemaCommand(ctx: Context, table: CommandTable): CommandDefinition {
  return defineCommand({
    arguments: { '<command...>': 'the command, as typed' },
    writes: false,
    output: { type: 'object', description: 'a JSON Schema' },
    help: {
      about: 'For a command that lists things, the schema describes one line.',
      examples: ['batchctl schema init', 'batchctl schema config show'],
      exitCodes: [0],
      related: ['config schema', 'job schema'],
    },
    run: (input) => schema({ ctx, table, ...input }),
  });
}

export interface SchemaOptions {
  readonly ctx: Context;
  readonly table: CommandTable;
  readonly command: readonly string[];
}

/**
 * Prints the JSON Schema of a command's `--json` answer. Throws `usage` for a command that is unknown or has no answer.
 */
export async function schema({ ctx, table, command }: SchemaOptions): Promise<void> {
  const name = command.join(' ');
  const found = table.find(command);
  if (found === null || found.words.length > 0) {
    throw new BatchctlError('usage', `expected a command, found "${name}"`, { hint: 'see batchctl --help' });
  }
  const output = await outputOf((await found.entry.load())(ctx));
  if (output === null) {
    throw new BatchctlError('usage', `${name} has no --json answer`, {
      hint: 'choose a command that has an answer',
    });
  }
  const document = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: `batchctl ${name} --json`,
    ...output,
  };
  await answer(ctx, { json: document, text: JSON.stringify(document, null, 2) });
}
