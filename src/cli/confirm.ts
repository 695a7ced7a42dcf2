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
