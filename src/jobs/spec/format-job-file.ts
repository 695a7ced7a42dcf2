import { stringify } from 'yaml';
import { type JobSpec, MAX_TASKS, type SplitSpec, type StepSpec, type Tolerance } from '../../model/job.ts';

/** Writes a spec as YAML that `parseJobFile` reads as the same spec. Sizes are in bytes, durations in seconds. */
export function formatJobFile(spec: JobSpec): string {
  return stringify(jobFileOf(spec), { lineWidth: 110 });
}

/** A spec as the plain value of a job file, without defaults and empty fields. */
export function jobFileOf(spec: JobSpec): Record<string, unknown> {
  return sparse({
    name: spec.name,
    files: spec.files,
    params: spec.params,
    input: spec.input && {
      ...(spec.input.from.length === 0
        ? {}
        : { from: spec.input.from.length === 1 ? spec.input.from[0] : spec.input.from }),
      split: splitFileOf(spec.input.split),
    },
    steps: spec.steps.map(stepFileOf),
    tolerate: formatTolerance(spec.tolerate),
    onFailure: spec.onFailure,
    halt: typeof spec.halt === 'number' ? percent(spec.halt) : spec.halt,
    expect: spec.expect,
    labels: spec.labels,
    maxRunning: spec.maxRunning,
    maxTasks: spec.maxTasks === MAX_TASKS ? null : spec.maxTasks,
    deliver: spec.deliver,
    notify: spec.notify,
  });
}

export const splitFileOf = (split: SplitSpec): Record<string, unknown> => ({ ...split });

function stepFileOf(step: StepSpec): Record<string, unknown> {
  const { slots, memory, disk } = step.needs;
  return sparse({
    ...step,
    gather: step.gather || null,
    explode: step.explode || null,
    needs: sparse({ slots: slots === 1 ? null : slots, memory: memory || null, disk: disk || null }),
  });
}

function formatTolerance(tolerance: Tolerance): number | string | null {
  if (tolerance.kind === 'share') return percent(tolerance.share);
  return tolerance.count === 0 ? null : tolerance.count;
}

/** The shortest percentage that reads back as the share. */
function percent(share: number): string {
  for (let digits = 0; digits <= 17; digits += 1) {
    const text = (share * 100).toFixed(digits);
    if (Number.parseFloat(text) / 100 === share) return `${text}%`;
  }
  return `${(share * 100).toFixed(17)}%`;
}

/** Removes null and empty fields. */
function sparse(map: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(map).filter(([, value]) => {
      if (value === null || value === undefined) return false;
      return typeof value !== 'object' || Object.keys(value).length > 0;
    }),
  );
}
