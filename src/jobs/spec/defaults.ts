/** What a job has when its file doesn't say. `docs/job-file.md` gives the same values. */
export const JOB_DEFAULTS = {
  tolerate: 0,
  onFailure: 'finish',
  maxTasks: 1_000_000,
  deliver: { name: '{step}-{task}', marker: '_SUCCESS' },
} as const;

/** What a step has when the job file doesn't say. */
export const STEP_DEFAULTS = {
  gather: false,
  input: 'stdin',
  output: 'stdout',
  explode: false,
  group: 'default',
  attempts: 3,
  timeout: '1h',
  slots: 1,
  /** With a fallback group. */
  interruptions: 3,
} as const;
