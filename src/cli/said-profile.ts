import { BatchctlError } from '../errors.ts';
import type { Context } from './context.ts';

/**
 * For `run` and `submit`: with no configuration at all, and no person at a terminal who sees the `->` line, the embedded
 * default must be asked for by name: a cron job in the wrong directory must not quietly start on the wrong machine.
 * Throws `config`.
 */
export async function requireSaidProfile(ctx: Context): Promise<void> {
  if (ctx.io.stderr.isTTY === true || ctx.io.stdin.isTTY === true) return;
  const { file, profileFrom } = await ctx.config();
  if (file !== null || profileFrom !== 'default') return;
  throw new BatchctlError(
    'config',
    `expected a configuration or a profile, found no configuration in ${ctx.io.cwd} or above`,
    {
      hint: 'use --profile local to run on this machine, or name a file with --config',
    },
  );
}
