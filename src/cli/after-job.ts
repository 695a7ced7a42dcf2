import type { JobStatus } from '../jobs/status.ts';
import { budgetMend, whoseLimit } from '../model/cost/words.ts';
import { BUDGET, DEPLOYMENT } from '../model/journal.ts';
import type { AttachedRun } from '../ports/verbs.ts';
import { shellWord } from '../worker/shell-quote.ts';
import type { Context } from './context.ts';

/** What a person looks at next after a job that did not succeed, on stderr: one command. Nothing for one that did. */
export function tellNext(ctx: Context, status: Ended): void {
  const next = nextCommand(status);
  if (next !== null) ctx.notice(`next: ${next}`);
}

/** That a limit on cost paused it, and what lets it go on: for who waits in silence. */
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

/** What goes on where a run ended early, and leaves the outputs where it was to leave them. */
export function takeUpCommand(job: string, { output, header, join }: Required<Omit<AttachedRun, 'created'>>): string {
  if (output === null) return `batchctl run ${job}`;
  const how = `${header === null ? '' : ` --header ${header}`}${join === null ? '' : ` --join ${join}`}`;
  return `batchctl run ${job} -o ${shellWord(output)}${how}`;
}
