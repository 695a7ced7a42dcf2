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

/**
 * The job with all its steps in the rehearsal's own group, where no other worker takes them. What the profile gives the
 * commands of their groups goes along with the steps; the steps' own words win.
 */
export function rehearsedSpec(
  spec: JobSpec,
  group: string,
  settingsOf: Platform['commandSettings'] = () => ({ env: {}, secrets: {} }),
): JobSpec {
  const steps = spec.steps.map((step) => {
    const { env, secrets } = settingsOf(step.group);
    const others = Object.entries(secrets).filter(([name]) => !Object.hasOwn(step.env, name));
    return {
      ...{ ...step, group, interruptions: null, fallback: null },
      env: { ...env, ...step.env },
      secrets: { ...Object.fromEntries(others), ...step.secrets },
    };
  });
  return { ...spec, steps };
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
