import type { JobStatus, StepStatus } from '../model/answers/status.ts';
import { gauge } from '../model/metrics.ts';

const STATES = ['waiting', 'running', 'done', 'failed', 'skipped'] as const satisfies readonly (keyof StepStatus)[];

/** A job's status in Prometheus' text format, version 0.0.4. */
export function prometheusText(status: JobStatus): string {
  const job = { job: status.job, name: status.name };
  const ofSteps = (name: string, help: string, value: (step: StepStatus) => number): readonly string[] =>
    gauge(
      name,
      help,
      status.steps.map((step) => ({ labels: { ...job, step: step.name }, value: value(step) })),
    );
  const one = (name: string, help: string, value: number | null): readonly string[] =>
    gauge(name, help, value === null ? [] : [{ labels: job, value }]);
  const states = status.steps.flatMap((step) =>
    STATES.map((state) => ({ labels: { ...job, step: step.name, state }, value: step[state] })),
  );
  const lines = [
    ...gauge('batchctl_tasks', 'Tasks of a step by state.', states),
    ...ofSteps('batchctl_attempts_retried', 'Failed attempts that were retried.', ({ retried }) => retried),
    ...ofSteps(
      'batchctl_attempts_interrupted',
      'Attempts returned without counting as failed.',
      ({ interrupted }) => interrupted,
    ),
    ...gauge('batchctl_job_state', '1 for the current state of the job.', [
      { labels: { ...job, state: status.state }, value: 1 },
    ]),
    ...one('batchctl_workers', "Running workers of the job's groups.", status.workers.running),
    ...one('batchctl_job_finish_by_seconds', "The job's deadline, Unix time.", unix(status.finishBy)),
    ...one('batchctl_job_projected_seconds', 'Projected end of the job, Unix time.', unix(status.projected)),
    ...one('batchctl_job_cost_dollars', 'Cost of the job so far.', status.cost),
    ...one('batchctl_job_cost_projected_dollars', 'Projected total cost of the job.', status.costProjected),
    ...one('batchctl_job_cost_limit_dollars', 'Cost at which the job pauses.', status.maxCost),
  ];
  return `${lines.join('\n')}\n`;
}

const unix = (iso: string | null): number | null => (iso === null ? null : Math.round(Date.parse(iso) / 1_000));
