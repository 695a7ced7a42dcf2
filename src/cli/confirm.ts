import { createInterface } from 'node:readline/promises';
import { BatchctlError } from '../errors.ts';
import { NO_EVENTS, notConfirmed } from '../verbs/context.ts';
import { asCallable } from '../verbs/verb.ts';
import type { RunVerb } from './command.ts';
import type { Context } from './context.ts';
import { escapeControls } from './terminal-text.ts';

/** Asks before something is destroyed, unless `--yes` or `--dry-run`. Throws `refused` for no, and off a terminal. */
export async function confirm(ctx: Context, question: string): Promise<void> {
  if (ctx.flags.yes || ctx.flags.dryRun) return;
  const { stdin, stderr } = ctx.io;
  if (stdin.isTTY !== true || stderr.isTTY !== true) {
    throw notConfirmed(question);
  }
  const lines = createInterface({ input: stdin, output: stderr, terminal: false });
  try {
    // End of input (Ctrl-D) means no.
    const ended = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
    const said = await Promise.race([
      lines.question(`${escapeControls(question)} [y/N] `, { signal: ctx.signal }),
      ended,
    ]);
    if (/^y(es)?$/i.test(said.trim())) return;
  } finally {
    lines.close();
  }
  throw new BatchctlError('refused', 'not confirmed', { hint: 'answer y, or use --yes' });
}

/**
 * The id of the latest job, once a person has agreed to change it. Without a terminal this is refused, even with `--yes`,
 * because a script with an empty variable would change the wrong job. `asks`: the verb itself asks and names the job.
 */
export async function confirmLatest(
  ctx: Context,
  { name, task }: { readonly name: string; readonly task: unknown },
  { runVerb, asks }: { readonly runVerb: RunVerb; readonly asks: boolean },
): Promise<string> {
  const { status } = await import('../verbs/status.ts');
  const { job, state } = await runVerb(asCallable(status), {}, NO_EVENTS);
  const { stdin, stderr } = ctx.io;
  const [what, then] = typeof task === 'string' ? [`${name} ${task} of`, ` ${task}`] : [name, ''];
  if (ctx.flags.dryRun) ctx.notice(`job ${job}`);
  else if (stdin.isTTY !== true || stderr.isTTY !== true) {
    throw new BatchctlError('refused', `${name}: expected a job; without a terminal the latest is not assumed`, {
      hint: `the latest is ${job} (${state}): batchctl ${name} ${job}${then}`,
    });
  } else if (!asks) await confirm(ctx, `${what} ${job}, the latest job (${state})?`);
  return job;
}
