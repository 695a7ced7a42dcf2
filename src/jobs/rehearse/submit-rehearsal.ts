import type { PartSizes } from '../../model/forecast/part-sizes.ts';
import type { JobSpec } from '../../model/job.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import type { CutParts } from '../submit/cut.ts';
import type { Prepared } from '../submit/prepare.ts';
import { type SubmitOptions, submit } from '../submit/submit.ts';
import { type RehearsalWish, type Sampled, sampleParts } from './sample-parts.ts';

export interface SubmittedRehearsal {
  readonly view: JobView;
  /** Of the whole input's parts. */
  readonly sizes: PartSizes;
}

/** The job with all its steps in the rehearsal's own group, where no other worker takes them. */
export function rehearsedSpec(spec: JobSpec, group: string): JobSpec {
  return { ...spec, steps: spec.steps.map((step) => ({ ...step, group })) };
}

/**
 * Submits a sample of a prepared job, as `submit` does and by the same steps: all of the input is cut, then only the
 * sample's parts stay. No run key is claimed, and no deadline goes with it. Throws as `submit` does.
 */
export async function submitRehearsal(
  platform: Platform,
  prepared: Prepared,
  wish: RehearsalWish,
  options: Pick<SubmitOptions, 'signal' | 'onProgress'>,
): Promise<SubmittedRehearsal> {
  let sampled: Sampled | null = null;
  const sample = async (job: string, parts: CutParts): Promise<Sampled> => {
    sampled = await sampleParts(platform.store, job, parts, wish);
    return sampled;
  };
  const request = { ...prepared.request, finishBy: null, maxCost: null };
  const mode = { mode: 'new', notBefore: null } as const;
  const { view } = await submit(platform, { ...prepared, request, runKey: null }, { ...mode, ...options, sample });
  return { view, sizes: sizesOf(sampled) };
}

function sizesOf(sampled: Sampled | null): PartSizes {
  if (sampled === null) throw new TypeError('a submission without a key always cuts its input');
  return sampled.sizes;
}
