import { BatchctlError } from '../errors.ts';
import type { Context } from './context.ts';

/**
 * For `run` and `submit`: without any configuration, and without a person at a terminal who sees the `->` line, the
 * local default must be selected by name, so that a cron job in the wrong directory does not silently start on the
 * wrong machine. Throws `config`.
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
