/** The meaning of each exit code, declared once for help, documentation and tests. */
export const EXIT_MEANINGS = {
  0: 'done; for a job: it succeeded',
  1: 'unexpected error',
  2: 'usage error: unknown flag, missing argument or bad value',
  3: 'invalid configuration, credentials or job file',
  4: 'not found',
  5: 'the job failed or was cancelled',
  6: 'not finished in time; the job continues',
  7: 'refused by a safeguard, or a safeguard paused the job',
  8: 'a service is unreachable or keeps rejecting requests',
  9: 'the proof failed: something is missing, duplicated or altered',
  10: 'done, but after the --finish-by deadline',
  11: 'a check found something',
  130: 'interrupted',
} as const;

export type ExitCode = keyof typeof EXIT_MEANINGS;
