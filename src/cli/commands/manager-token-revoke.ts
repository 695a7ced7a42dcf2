import { FRESH_MS } from '../../jobs/tokens/token-reader.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { confirm } from '../confirm.ts';
import type { Context } from '../context.ts';
import { answer } from '../render.ts';
import { requireOwnStore } from '../token-command.ts';

export function managerTokenRevokeCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<token>': 'its name, or its id as shown by manager token list and the audit log' },
    writes: true,
    output: {
      type: 'object',
      required: ['ids', 'revoked'],
      properties: {
        ids: { type: 'array', items: { type: 'string' } },
        revoked: { type: 'boolean', description: 'false with --dry-run' },
      },
    },
    help: {
      about: `Every manager rejects it after at most ${FRESH_MS / 1_000} s, and closes its open connections. If several tokens, such as expired ones, have the name, all are revoked.`,
      examples: ['batchctl manager token revoke ann --yes'],
      exitCodes: [
        [0, 'revoked'],
        [3, 'the profile uses a manager'],
        [4, 'no such token'],
        [7, 'refused: not confirmed'],
      ],
      related: ['manager token list', 'manager token create'],
    },
    run: (input) => managerTokenRevoke({ ctx, ...input }),
  });
}

export interface ManagerTokenRevokeOptions {
  readonly ctx: Context;
  readonly token: string;
}

/** Revokes a token after confirmation. Throws `notFound`, `refused`. */
export async function managerTokenRevoke({ ctx, token: which }: ManagerTokenRevokeOptions): Promise<void> {
  await requireOwnStore(ctx);
  const { findTokens, revokeTokens } = await import('../../jobs/tokens/tokens.ts');
  const platform = await ctx.platform();
  const found = await findTokens(platform, which);
  const ids = found.map(({ id }) => id);
  if (!ctx.flags.dryRun) {
    await confirm(ctx, `revoke token ${which} (${ids.join(', ')})?`);
    await revokeTokens(platform, found);
  }
  const would = ctx.flags.dryRun ? 'would be' : 'is';
  await answer(ctx, {
    json: { ids, revoked: !ctx.flags.dryRun },
    text: `token ${which} ${would} revoked`,
  });
}
