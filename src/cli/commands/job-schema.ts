import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { answer } from '../render.ts';

export function jobSchemaCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    writes: false,
    output: { type: 'object', description: 'a JSON Schema' },
    help: {
      about:
        'Editors use it to complete and check a YAML file that begins with: # yaml-language-server: $schema=job.schema.json',
      examples: ['batchctl job schema > job.schema.json'],
      exitCodes: [0],
      related: ['plan', 'config schema', 'schema'],
    },
    run: () => jobSchema({ ctx }),
  });
}

export interface JobSchemaOptions {
  readonly ctx: Context;
}

export async function jobSchema({ ctx }: JobSchemaOptions): Promise<void> {
  const { jobJsonSchema } = await import('../../jobs/spec/schema.ts');
  const document = jobJsonSchema();
  await answer(ctx, { json: document, text: JSON.stringify(document, null, 2) });
}
