import { BatchctlError } from '../../errors.ts';
import { codeKey } from '../../model/keys.ts';
import { deadlineOf, runKeyOf, type Schedule } from '../../model/schedule.ts';
import type { Firing } from '../../model/schedule-times.ts';
import { substitute } from '../../model/substitute.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';
import type { CodeArchive } from '../code-archive.ts';
import { findJob } from '../find.ts';
import { FileChecksums } from '../submit/file-checksums.ts';
import { closeInputs } from '../submit/inputs.ts';
import { type Prepared, prepare, type SubmissionRequest } from '../submit/prepare.ts';
import { type SubmitOptions, type SubmitPoint, type Submitted, submit } from '../submit/submit.ts';

export interface FireOptions {
  /** How a run key with other content is answered: see `SubmitOptions`. */
  readonly mode: 'new' | 'existing' | 'again';
  readonly signal?: AbortSignal;
  readonly passed?: (point: SubmitPoint) => void;
  readonly onProgress?: SubmitOptions['onProgress'];
}

/** Submits the job of one period. The run key makes it one job, whoever fires it, and however often. */
export async function fire(
  platform: Platform,
  schedule: Schedule,
  firing: Firing,
  { onProgress, ...options }: FireOptions,
): Promise<Submitted> {
  const prepared = await prepareFiring(platform, schedule, firing);
  return submit(platform, prepared, { ...options, notBefore: null, ...(onProgress && { onProgress }) });
}

/** Finds the inputs of one period. Throws `notFound` for one that isn't there (yet). */
export async function prepareFiring(platform: Platform, schedule: Schedule, firing: Firing): Promise<Prepared> {
  const request = requestOf(schedule, firing, await readCode(platform.store, schedule));
  const checksums = platform.remote === true ? new FileChecksums() : null;
  return prepare(request, platform.store, (text) => findJob(platform, text), checksums, platform.bucket);
}

/** Takes back what `prepareFiring` opened. */
export const dropPrepared = ({ inputs }: Prepared): Promise<void> => closeInputs(inputs);

/** What a person who submits the period by hand would ask for. */
export function requestOf(
  { name, job, zone }: Pick<Schedule, 'name' | 'job' | 'zone'>,
  firing: Firing,
  code: CodeArchive | null,
): SubmissionRequest {
  const { spec, directory, inputDirectory, params, labels, expectInputs, allowEmpty, finishBy, maxCost } = job;
  const known = { ...spec.params, ...params, period: firing.period };
  return {
    ...{ spec, directory, inputDirectory, params, labels, expectInputs, allowEmpty, maxCost, code, stdin: null },
    inputs: job.inputs.map((input) => substitute(input, known, { field: '--input', unknown: 'error' })),
    period: firing.period,
    runKey: runKeyOf({ name }, firing),
    finishBy: finishBy === null ? null : new Date(deadlineOf(finishBy, firing.at, zone)).toISOString(),
  };
}

/** The program that lies in the store; a submission puts it again, as prune goes by the last put. */
async function readCode(store: Pick<ObjectStore, 'read'>, { name, job }: Schedule): Promise<CodeArchive | null> {
  if (job.code === null) return null;
  const gzip = await store.read(codeKey(job.code));
  if (gzip !== null) return { sha256: job.code, gzip, files: job.spec.files };
  throw new BatchctlError('corrupt', `the program of the schedule ${name}, ${codeKey(job.code)}, is gone`, {
    hint: `batchctl schedule add ${name} ${job.file} ... --replace puts it again`,
  });
}
