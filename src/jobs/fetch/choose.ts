import { BatchctlError } from '../../errors.ts';
import type { TaskBits } from '../../model/bits.ts';
import { type StepSpec, sectionStart } from '../../model/job.ts';
import { knowsSize } from '../../model/step-sizes.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { listPublished, stepTotals } from '../listing.ts';
import { refusePruned } from '../pruned.ts';

/** The step whose outputs are fetched. */
export interface ChosenStep {
  readonly index: number;
  readonly step: StepSpec;
  /** How many tasks it can have. */
  readonly total: number;
  /** True where there is one task because a gather came before, whatever the input's size. */
  readonly gathered: boolean;
}

/** The step of that name; the last one without. Throws `notFound`, naming those that the job has. */
export function chooseStep(view: JobView, name: string | undefined): ChosenStep {
  refusePruned(view, 'its outputs');
  const { job, spec } = view.record;
  const index = name === undefined ? spec.steps.length - 1 : spec.steps.findIndex((step) => step.name === name);
  const step = spec.steps[index];
  if (step === undefined) {
    throw new BatchctlError('notFound', `job ${job} has no step ${name}`, {
      hint: `its steps: ${spec.steps.map((known) => known.name).join(', ')}`,
    });
  }
  return {
    index,
    step,
    total: stepTotals(view)[index] ?? 0,
    gathered: spec.steps[sectionStart(spec.steps, index)]?.gather === true,
  };
}

/** The tasks whose outputs are published. Throws `notFound` if none is, unless the step has none to run at all. */
export async function publishedTasks(store: ObjectStore, view: JobView, chosen: ChosenStep): Promise<TaskBits> {
  const { job } = view.record;
  const published = await listPublished(store, job, chosen.step.name, chosen.total);
  if (published.count > 0 || (chosen.total === 0 && knowsSize(view, chosen.index))) return published;
  throw new BatchctlError('notFound', `job ${job} is ${stateOf(view)}: step ${chosen.step.name} has no output yet`, {
    hint: `batchctl status ${job}`,
  });
}
