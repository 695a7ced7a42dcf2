import { BatchctlError } from '../../errors.ts';
import { mapAhead } from '../../lib/parallel.ts';
import { type IncompleteInput, incompleteText, stepIndex } from '../../model/job.ts';
import { outPrefix, taskOfOut } from '../../model/keys.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { stepTotals } from '../listing.ts';
import { readOutput } from '../output.ts';
import { refusePruned } from '../pruned.ts';

export interface OutputInput {
  readonly key: string;
  /** `job:ID/STEP/N`; with several files, `job:ID/STEP/N/NAME`. */
  readonly name: string;
  /** `sha256:<hex>` */
  readonly checksum: string;
}

/** The job that a text refers to: an id, `last`, `key:RUN-KEY` ... Throws `notFound`. */
export type FindSource = (text: string) => Promise<JobView>;

/** Inputs with names and pins that fit into a job.json of one request. */
const MAX_OUTPUTS = 100_000;
/** Outputs looked up ahead. */
const AHEAD = 16;

/**
 * The outputs that `job:JOB/STEP` stands for (`job:JOB`: those of its last step), in task order, by their keys in the
 * store. Published outputs never change, so they are read in place. Throws `notFound` for a job or step that doesn't
 * exist or was pruned; `refused` for a job that hasn't succeeded, or has too many outputs, and for a step of which tasks
 * failed or were skipped, unless `onIncomplete` takes it.
 */
export async function findOutputs(
  name: string,
  store: ObjectStore,
  findSource: FindSource,
  onIncomplete: ((found: IncompleteInput) => void) | null = null,
): Promise<readonly OutputInput[]> {
  const [, of = '', step] = /^job:([^/]*)(?:\/([^/]+))?$/.exec(name) ?? [];
  if (of === '') {
    throw new BatchctlError('usage', `expected job:JOB/STEP, found ${name}`, { hint: '--input job:last/price' });
  }
  const view = await findSource(of);
  const chosen = sourceStep(name, view, step);
  const { job } = view.record;
  const found: OutputInput[] = [];
  let outputs = 0;
  for await (const output of mapAhead(tasksOf(store, job, chosen), AHEAD, (task) =>
    readOutput(store, job, chosen, task),
  )) {
    if (output === null) continue;
    outputs += 1;
    for (const { name: file, key, checksum } of output.files) {
      found.push({ key, checksum, name: `job:${job}/${chosen}/${output.task}${file === '' ? '' : `/${file}`}` });
    }
    if (found.length > MAX_OUTPUTS) throw tooMany(name);
  }
  const tasks = stepTotals(view)[stepIndex(view.record.spec, chosen)] ?? 0;
  const missing = tasks - outputs;
  if (outputs > 0 && missing > 0) takeIncomplete({ name: `job:${job}/${chosen}`, tasks, missing }, onIncomplete);
  if (found.length > 0) return found;
  throw new BatchctlError('notFound', `the input ${name} matches nothing: step ${chosen} of ${job} has no output`, {
    hint: `batchctl status ${job}`,
  });
}

function takeIncomplete(found: IncompleteInput, onIncomplete: ((found: IncompleteInput) => void) | null): void {
  if (onIncomplete !== null) {
    onIncomplete(found);
    return;
  }
  throw new BatchctlError('refused', incompleteText(found), {
    hint: 'use --allow-incomplete to read the others; the proof then names it',
  });
}

function sourceStep(name: string, view: JobView, step: string | undefined): string {
  const { job, spec } = view.record;
  refusePruned(view, 'its outputs');
  const chosen = step === undefined ? spec.steps.at(-1) : spec.steps.find((known) => known.name === step);
  if (chosen === undefined) {
    throw new BatchctlError('notFound', `the input ${name}: job ${job} has no step ${step}`, {
      hint: `its steps: ${spec.steps.map((known) => known.name).join(', ')}`,
    });
  }
  const state = stateOf(view);
  if (state === 'succeeded') return chosen.name;
  throw new BatchctlError(
    'refused',
    `the input ${name}: job ${job} is ${state}, but only a succeeded job can be read`,
    { hint: state === 'failed' || state === 'cancelled' ? `batchctl status ${job}` : `batchctl wait ${job}` },
  );
}

async function* tasksOf(store: ObjectStore, job: string, step: string): AsyncGenerator<number> {
  for await (const { key } of store.list(outPrefix(job, step))) {
    const task = taskOfOut(key);
    if (task !== null) yield task;
  }
}

function tooMany(name: string): BatchctlError {
  return new BatchctlError('refused', `the input ${name} has more than ${MAX_OUTPUTS} files`, {
    hint: 'join them first, with a step with gather: true, or with batchctl fetch and batchctl upload',
  });
}
