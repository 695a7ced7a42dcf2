/** What each exit code means, in one table: for help, documentation and tests. */
export const EXIT_MEANINGS = {
  0: 'done; for a job: succeeded',
  1: 'unexpected error',
  2: 'usage: unknown flag, missing argument, bad value',
  3: "configuration, credentials, or a job file that isn't valid",
  4: 'not found',
  5: 'the job failed or was cancelled',
  6: 'not finished in time: the job goes on',
  7: 'refused by a guard, or a guard has paused the job',
  8: 'a service is unreachable or keeps refusing',
  9: 'the proof failed: something missing, double or altered',
  10: 'done, but after its --finish-by',
  11: 'a check found something',
  130: 'interrupted',
} as const;

export type ExitCode = keyof typeof EXIT_MEANINGS;
