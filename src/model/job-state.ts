export const OPEN_STATES = ['submitted', 'running', 'paused'] as const;
export const CLOSED_STATES = ['succeeded', 'failed', 'cancelled'] as const;
export const JOB_STATES = [...OPEN_STATES, ...CLOSED_STATES] as const;

export type JobState = (typeof JOB_STATES)[number];

/** True for a state that only a person's retry or skip, or a late output, changes. */
export function isClosed(state: JobState): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}

/** A state in a sentence: `the job is running`, `the job has failed`. */
export function stateText(state: JobState): string {
  return `the job ${state === 'succeeded' || state === 'failed' ? 'has' : 'is'} ${state}`;
}
