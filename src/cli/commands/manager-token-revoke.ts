import { FRESH_MS } from '../../jobs/tokens/token-reader.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { confirm } from '../confirm.ts';
import type { Context } from '../context.ts';
import { answer } from '../render.ts';
import { requireOwnStore } from '../token-command.ts';

export function managerTokenRevokeCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<token>': 'its name, or its id as list and the audit have it' },
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
      about: `Every manager refuses it ${FRESH_MS / 1_000} s later at the latest, and ends what it is still listening to. Of a name that several had, as some have expired, all go.`,
      examples: ['batchctl manager token revoke ann --yes'],
      exitCodes: [
        [0, 'revoked'],
        [3, 'the profile asks a manager'],
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

/** Takes a token away, once that is confirmed. Throws `notFound`, `refused`. */
export async function managerTokenRevoke({ ctx, token: which }: ManagerTokenRevokeOptions): Promise<void> {
  await requireOwnStore(ctx);
  const { findTokens, revokeTokens } = await import('../../jobs/tokens/tokens.ts');
  const platform = await ctx.platform();
  const found = await findTokens(platform, which);
  const ids = found.map(({ id }) => id);
  if (!ctx.flags.dryRun) {
    await confirm(ctx, `revoke the token ${which} (${ids.join(', ')})?`);
    await revokeTokens(platform, found);
  }
  const would = ctx.flags.dryRun ? 'would be' : 'is';
  await answer(ctx, {
    json: { ids, revoked: !ctx.flags.dryRun },
    text: `the token ${which} ${would} revoked`,
  });
}
