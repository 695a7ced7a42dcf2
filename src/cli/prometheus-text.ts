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
    ...instant('batchctl_job_finish_by_seconds', 'When the job should have ended, Unix time.', status.finishBy, job),
    ...instant(
      'batchctl_job_projected_seconds',
      'When it will have ended at its rate, Unix time.',
      status.projected,
      job,
    ),
  ];
  return `${lines.join('\n')}\n`;
}

/** A gauge of an instant; none where it is unknown. */
function instant(name: string, help: string, iso: string | null, job: string): readonly string[] {
  if (iso === null) return [];
  return [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, `${name}{${job}} ${Math.round(Date.parse(iso) / 1_000)}`];
}
