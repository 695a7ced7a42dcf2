import type { JobStatus, StepStatus } from '../jobs/status.ts';

const STATES = ['waiting', 'running', 'done', 'failed', 'skipped'] as const satisfies readonly (keyof StepStatus)[];

/** A job's status in Prometheus' text format, version 0.0.4. */
export function prometheusText(status: JobStatus): string {
  const job = `job="${status.job}",name="${status.name}"`;
  const lines = [
    '# HELP batchctl_tasks Tasks of a step by state.',
    '# TYPE batchctl_tasks gauge',
    ...status.steps.flatMap((step) =>
      STATES.map((state) => `batchctl_tasks{${job},step="${step.name}",state="${state}"} ${step[state]}`),
    ),
    '# HELP batchctl_attempts_retried Failed attempts that were tried again.',
    '# TYPE batchctl_attempts_retried gauge',
    ...status.steps.map((step) => `batchctl_attempts_retried{${job},step="${step.name}"} ${step.retried}`),
    '# HELP batchctl_attempts_interrupted Attempts given back unharmed.',
    '# TYPE batchctl_attempts_interrupted gauge',
    ...status.steps.map((step) => `batchctl_attempts_interrupted{${job},step="${step.name}"} ${step.interrupted}`),
    '# HELP batchctl_job_state 1 for the state that the job is in.',
    '# TYPE batchctl_job_state gauge',
    `batchctl_job_state{${job},state="${status.state}"} 1`,
    "# HELP batchctl_workers Workers of the job's groups that are up.",
    '# TYPE batchctl_workers gauge',
    `batchctl_workers{${job}} ${status.workers.running}`,
  ];
  return `${lines.join('\n')}\n`;
}
