import { BatchctlError } from '../errors.ts';
import type { Token } from '../model/token.ts';
import type { JsonSchema } from './command.ts';
import type { Context } from './context.ts';

/**
 * Throws `config` if the profile uses a manager. Tokens are kept in the manager's own store, which such a profile can't
 * reach.
 */
export async function requireOwnStore(ctx: Context): Promise<void> {
  const { profile } = await ctx.config();
  if (profile.backend !== 'manager') return;
  throw new BatchctlError(
    'config',
    `profile ${profile.name} uses a manager, and tokens can only be managed at the manager's store`,
    {
      hint: 'use the profile of the manager itself, with access to its store: --profile NAME',
    },
  );
}

const time = { type: 'string', format: 'date-time' };

/** The public fields of a token. */
export const TOKEN_FIELDS = {
  id: { type: 'string', description: "the first 12 digits of its SHA-256; the audit log uses it as the token's name" },
  name: { type: 'string' },
  scope: { enum: ['read', 'submit', 'operate'] },
  expires: { type: ['string', 'null'], format: 'date-time', description: 'null: never' },
  at: { ...time, description: 'when it was created' },
  who: { type: 'string', description: 'who created it' },
} as const satisfies JsonSchema;

export const tokenDocument = ({ id, name, scope, expires, at, who }: Token): Readonly<Record<string, unknown>> => ({
  ...{ id, name, scope, expires, at, who },
});
