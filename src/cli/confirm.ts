import { createInterface } from 'node:readline/promises';
import { BatchctlError } from '../errors.ts';
import type { JobStatus } from '../model/answers/status.ts';
import type { Fields, VerbDeclaration } from '../verbs/verb.ts';
import type { Context } from './context.ts';
import type { RunVerb } from './verb-command.ts';

/** Asks before something is destroyed, unless `--yes` or `--dry-run`. Throws `refused` for no, and off a terminal. */
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
 * The id of the latest job, once a person has agreed to change it. Off a terminal it is refused, also with `--yes`: a
 * script whose variable is empty would change a job that nobody named. `asks`: the change itself asks, and names the job.
 */
export async function confirmLatest(
  ctx: Context,
  { name, task }: { readonly name: string; readonly task: unknown },
  { runVerb, asks }: { readonly runVerb: RunVerb; readonly asks: boolean },
): Promise<string> {
  const { status } = await import('../verbs/status.ts');
  const silent = { report: () => {}, shown: async () => {}, conclude: () => {} };
  const asked = status as unknown as VerbDeclaration<Fields, JobStatus, never>;
  const { job, state } = await runVerb(asked, {}, silent);
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
