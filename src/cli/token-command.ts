import { BatchctlError } from '../errors.ts';
import type { Token } from '../model/token.ts';
import type { JsonSchema } from './command.ts';
import type { Context } from './context.ts';

/** Throws `config` on a profile that asks a manager: who may call it is written in its store, which that can't reach. */
export async function requireOwnStore(ctx: Context): Promise<void> {
  const { profile } = await ctx.config();
  if (profile.backend !== 'manager') return;
  throw new BatchctlError(
    'config',
    `profile ${profile.name} asks a manager, and no manager makes or takes its own tokens`,
    {
      hint: 'name the profile that it serves, with rights to its store: --profile NAME',
    },
  );
}

const time = { type: 'string', format: 'date-time' };

/** What may be told of a token. */
export const TOKEN_FIELDS = {
  id: { type: 'string', description: 'the first 12 digits of its SHA-256: names it in the audit' },
  name: { type: 'string' },
  scope: { enum: ['read', 'submit', 'operate'] },
  expires: { type: ['string', 'null'], format: 'date-time', description: 'null: never' },
  at: { ...time, description: 'when it was made' },
  who: { type: 'string', description: 'who made it' },
} as const satisfies JsonSchema;

export const tokenDocument = ({ id, name, scope, expires, at, who }: Token): Readonly<Record<string, unknown>> => ({
  ...{ id, name, scope, expires, at, who },
});
