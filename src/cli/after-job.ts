import type { JobStatus } from '../jobs/status.ts';
import { DEPLOYMENT } from '../model/journal.ts';
import { shellWord } from '../worker/shell-quote.ts';
import type { Context } from './context.ts';

/** What a person looks at next after a job that did not succeed, on stderr: one command. Nothing for one that did. */
export function tellNext(ctx: Context, status: Pick<JobStatus, 'job' | 'state' | 'reason' | 'steps'>): void {
  const next = nextCommand(status);
  if (next !== null) ctx.notice(`next: ${next}`);
}

function nextCommand({ job, state, reason, steps }: Pick<JobStatus, 'job' | 'state' | 'reason' | 'steps'>) {
  if (state === 'paused') return reason === DEPLOYMENT ? `batchctl failures ${job}` : `batchctl why ${job}`;
  if (state !== 'failed') return null;
  if (reason === 'expect') return `batchctl verify ${job}`;
  return steps.some(({ failed }) => failed > 0) ? `batchctl failures ${job}` : `batchctl why ${job}`;
}

/** What goes on where a run ended early, and leaves the outputs where it was to leave them. */
export function takeUpCommand(
  job: string,
  { output, header }: { readonly output: string | null; readonly header: 'once' | null },
): string {
  if (output === null) return `batchctl run ${job}`;
  return `batchctl run ${job} -o ${shellWord(output)}${header === null ? '' : ` --header ${header}`}`;
}
