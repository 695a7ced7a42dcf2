import type { JobStatus } from '../jobs/status.ts';
import { budgetMend, whoseLimit } from '../model/cost/limit-text.ts';
import { BUDGET, DEPLOYMENT } from '../model/journal.ts';
import type { Context } from './context.ts';

/** The next command for a person after a job that did not succeed, on stderr. Nothing for a success. */
export function tellNext(ctx: Context, status: Ended): void {
  const next = nextCommand(status);
  if (next !== null) ctx.notice(`next: ${next}`);
}

/** Reports that a cost limit paused the job, and how to resume it, to a silent waiter. */
export function tellBudget(ctx: Context, status: Ended): void {
  const { job, state, reason, detail } = status;
  if (state !== 'paused' || reason !== BUDGET) return;
  ctx.notice(`job ${job} is paused: ${detail ?? 'it has reached its cost limit'}`);
  tellNext(ctx, status);
}

type Ended = Pick<JobStatus, 'job' | 'state' | 'reason' | 'detail' | 'steps'>;

function nextCommand({ job, state, reason, detail, steps }: Ended) {
  if (state === 'paused' && reason === BUDGET) return budgetMend(job, whoseLimit(detail));
  if (state === 'paused') return reason === DEPLOYMENT ? `batchctl failures ${job}` : `batchctl why ${job}`;
  if (state !== 'failed') return null;
  if (reason === 'expect') return `batchctl verify ${job}`;
  return steps.some(({ failed }) => failed > 0) ? `batchctl failures ${job}` : `batchctl why ${job}`;
}
