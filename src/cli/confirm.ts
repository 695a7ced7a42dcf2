import { createInterface } from 'node:readline/promises';
import { BatchctlError } from '../errors.ts';
import type { Context } from './context.ts';

/**
 * Asks before something is destroyed. With `--yes` or `--dry-run` it doesn't ask. Throws `refused` (exit 7) if the
 * answer is no, or without a terminal: cron must never hang on a prompt.
 */
export async function confirm(ctx: Context, question: string): Promise<void> {
  if (ctx.flags.yes || ctx.flags.dryRun) return;
  const { stdin, stderr } = ctx.io;
  if (stdin.isTTY !== true || stderr.isTTY !== true) {
    throw new BatchctlError('refused', `not confirmed: ${question}`, {
      hint: 'use --yes to confirm without a terminal',
      question,
    });
  }
  const lines = createInterface({ input: stdin, output: stderr, terminal: false });
  try {
    // End of input (Ctrl-D) means no.
    const ended = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
    const said = await Promise.race([lines.question(`${question} [y/N] `, { signal: ctx.signal }), ended]);
    if (/^y(es)?$/i.test(said.trim())) return;
  } finally {
    lines.close();
  }
  throw new BatchctlError('refused', 'not confirmed', { hint: 'answer y, or use --yes' });
}

/**
 * For `run` and `submit`. Without a configuration file, and without a person at a terminal who sees the `->` line, the
 * local default must be selected by name. Otherwise a cron job in the wrong directory would silently start on the wrong
 * machine. Throws `config`.
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
