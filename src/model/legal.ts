import { BatchctlError } from '../errors.ts';
import { FAILURES_REASON, STOPPED_REASON } from './decide.ts';
import { isClosed, type JobState, OPEN_STATES } from './job-state.ts';
import type { EntryWhat } from './journal.ts';
import { type JobView, stateOf } from './view.ts';

/** Why an entry isn't allowed now, and what to do instead. */
interface Refusal {
  readonly state: JobState;
  /** Completes a sentence that begins with the job: `is closed (succeeded)`. */
  readonly reason: string;
  /** The command that fixes or shows it, with the job's id. */
  readonly hint: string;
}

/** Entries that a person may ask for; the code that makes watchers' own entries checks those. */
export type RequestedEntry = Extract<
  EntryWhat,
  'pause' | 'resume' | 'cancel' | 'adjust' | 'kill' | 'skip' | 'unskip' | 'accept' | 'retry' | 'extend'
>;

const RETRYABLE_STATES = [...OPEN_STATES, 'failed', 'succeeded'] as const;

/** The states in which each entry is legal: the table of docs/states.md. */
export const LEGAL_STATES: Readonly<Record<RequestedEntry, readonly JobState[]>> = {
  pause: ['submitted', 'running'],
  resume: ['submitted', 'paused'],
  cancel: OPEN_STATES,
  adjust: OPEN_STATES,
  kill: OPEN_STATES,
  skip: RETRYABLE_STATES,
  unskip: RETRYABLE_STATES,
  accept: ['failed'],
  retry: RETRYABLE_STATES,
  extend: RETRYABLE_STATES,
};

/** Null if the current journal allows such an entry; otherwise why not. */
export function refusalOf(view: JobView, what: RequestedEntry): Refusal | null {
  const state = stateOf(view);
  if (view.pruned !== null) {
    const { who, when } = view.pruned;
    return {
      state,
      reason: `was pruned on ${when.slice(0, 10)} by ${who}`,
      hint: `batchctl status ${view.record.job}`,
    };
  }
  if (LEGAL_STATES[what].includes(state)) return null;
  return { state, reason: reasonFor(state, what), hint: hintFor(view, state, what) };
}

/** True if the job is already in the state that the entry would give it: the verb says so, and appends nothing. */
export function isAlreadyDone(view: JobView, what: 'cancel' | 'pause' | 'resume', now = false): boolean {
  const state = stateOf(view);
  switch (what) {
    case 'cancel':
      return view.cancelled;
    case 'pause':
      return view.paused !== null && (view.paused.now || !now) && !isClosed(state);
    case 'resume':
      return state === 'running';
    default:
      return what satisfies never;
  }
}

function reasonFor(state: JobState, what: RequestedEntry): string {
  if (state === 'cancelled') return 'was cancelled';
  if (isClosed(state)) return `is closed (${state})`;
  if (what === 'accept') return `is ${state}: its control totals are judged when all its tasks have ended`;
  if (state === 'paused') return 'is already paused';
  return `is ${state}: only a paused job can be resumed`;
}

/** Only what the job's state allows: a retry where tasks failed, nothing that reopens a job without failures. */
function hintFor({ record: { job }, closed }: JobView, state: JobState, what: RequestedEntry): string {
  // Whether it has outputs to fetch, the journal doesn't say.
  if (state === 'cancelled') return `submit it again; batchctl status ${job} shows the outputs that it has`;
  if (state === 'failed' && what !== 'cancel') {
    if (closed?.reason === FAILURES_REASON || closed?.reason === STOPPED_REASON)
      return `batchctl retry ${job} runs its failed tasks again`;
    return `batchctl why ${job} shows why it failed, and what helps`;
  }
  if (state === 'paused' && what !== 'accept') return `batchctl resume ${job}`;
  return `batchctl status ${job}`;
}

/** Throws `refused`, with the state and the fixing command, unless the current journal allows the entry. */
export function requireLegal(view: JobView, what: RequestedEntry): void {
  const illegal = refusalOf(view, what);
  if (illegal === null) return;
  throw new BatchctlError('refused', `can't ${what}: job ${view.record.job} ${illegal.reason}`, {
    hint: illegal.hint,
  });
}
