import type { JobStatus } from '../jobs/status.ts';
import type { Context } from './context.ts';

/** What a person looks at next after a job that did not succeed, on stderr: one command. Nothing for one that did. */
export function tellNext(ctx: Context, status: Pick<JobStatus, 'job' | 'state' | 'reason' | 'steps'>): void {
  const next = nextCommand(status);
  if (next !== null) ctx.notice(`next: ${next}`);
}

function nextCommand({ job, state, reason, steps }: Pick<JobStatus, 'job' | 'state' | 'reason' | 'steps'>) {
  if (state === 'paused') return `batchctl why ${job}`;
  if (state !== 'failed') return null;
  if (reason === 'expect') return `batchctl verify ${job}`;
  return steps.some(({ failed }) => failed > 0) ? `batchctl failures ${job}` : `batchctl why ${job}`;
}
