import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load-config.ts';
import { requireView } from '../../src/jobs/journal.ts';
import { loadJobFile } from '../../src/jobs/spec/job-file.ts';
import { prepare } from '../../src/jobs/submit/prepare.ts';
import { submit } from '../../src/jobs/submit/submit.ts';
import { look } from '../../src/jobs/watch/look.ts';
import { randomId } from '../../src/lib/id.ts';
import { type JobView, stateOf } from '../../src/model/view.ts';
import { openPlatform } from '../../src/platform/open-platform.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { runWorkerInProcess } from '../support/inside-worker.ts';
import { submissionRequest } from '../support/submission-request.ts';
import { type Place, publishSmall } from './published-job.ts';

/** Writes inputs and a job file, and submits the job as the command line does. */
export async function submitJob(
  { directory, platform }: Place,
  yaml: string,
  inputs: Readonly<Record<string, string | Uint8Array>>,
  notBefore: string | null = null,
): Promise<JobView> {
  for (const [name, bytes] of Object.entries(inputs)) writeFileSync(join(directory, name), bytes);
  const file = join(directory, 'job.yaml');
  writeFileSync(file, yaml);
  const prepared = await prepare(
    submissionRequest(await loadJobFile(file), directory, { allowEmpty: true }),
    platform.store,
  );
  return (await submit(platform, prepared, { notBefore })).view;
}

/** A job file. Each line of `a.txt` is a task of `price`. */
export const ONE_STEP = `
name: claims
input: { from: a.txt, split: { by: lines, every: 1 } }
steps: [{ name: price, run: [cat] }]
`;

/** A job file with code. Each line of `a.csv` is a task of `price`; `totals` gathers their outputs. */
export const LINES = `
name: claims
files: [a.csv]
input: { from: a.csv, split: { by: lines, every: 1 } }
steps:
  - { name: price, run: [cat] }
  - { name: totals, gather: true, run: [cat] }
`;

/** Publishes an output for each task, and looks until the job is closed. */
export async function publishAll(platform: Platform, view: JobView): Promise<JobView> {
  const job = { platform, view };
  for (const { name, gather } of view.record.spec.steps) {
    if (gather) await look(platform, view);
    for (let n = 0; n < (gather ? 1 : view.record.parts); n += 1) await publishSmall(job, name, n, `${name} ${n}\n`);
  }
  const { view: after } = await look(platform, view);
  if (stateOf(after) !== 'succeeded') throw new Error(`the job is ${stateOf(after)}`);
  return after;
}

/**
 * Runs a real worker on the platform until nothing is left to do. Its id is new: a worker kills leftover processes of its
 * id, which another test's worker may have used.
 */
export async function work(platform: Platform): Promise<void> {
  await runWorkerInProcess(platform, 2, { worker: `w-${randomId(10)}`, untilEmpty: true });
}

/** A job that a real worker ran to its end. */
export async function runJob(
  place: Place,
  yaml: string,
  inputs: Readonly<Record<string, string | Uint8Array>> = {},
): Promise<JobView> {
  const { record } = await submitJob(place, yaml, inputs);
  await work(place.platform);
  return requireView(place.platform.store, record.job);
}

/** The platform of a second process in the same directory; the caller closes it. */
export async function openAgain(directory: string): Promise<Platform> {
  const config = await loadConfig({ cwd: directory, env: { HOME: directory }, flags: { profile: 'local' } });
  return openPlatform(config, { role: 'cli', who: 'ann@desk' });
}
