import { dirname, resolve } from 'node:path';
import { BatchctlError } from '../errors.ts';
import { type CodeArchive, packCode } from '../jobs/code-archive.ts';
import { refuseForeign } from '../jobs/notify/receivers.ts';
import { requestOf } from '../jobs/schedules/fire.ts';
import { needsNoInput } from '../jobs/submit/inputs.ts';
import { settleSpec } from '../jobs/submit/prepare.ts';
import { isS3Uri } from '../model/s3-uri.ts';
import type { ScheduledJob } from '../model/schedule.ts';
import { firingsAfter, type When } from '../model/schedule-times.ts';
import type { Context } from './context.ts';
import { openJobFile } from './open-job-file.ts';
import { finishByOf } from './schedule-flags.ts';
import { type SubmissionInput, submissionOf } from './submission-flags.ts';

export type ScheduledInput = Omit<SubmissionInput, 'runKey' | 'existing' | 'again' | 'period' | 'at'>;

/**
 * The job that a schedule fires, with its files packed. Whatever a firing could only find out is checked now, but for the
 * inputs, which may not be there yet. Throws as a submission does; `usage` for an input that whoever fires it can't read.
 */
export async function scheduledJob(
  ctx: Context,
  file: string,
  input: ScheduledInput,
  { name, when }: { readonly name: string; readonly when: When },
): Promise<{ readonly job: ScheduledJob; readonly code: CodeArchive | null }> {
  const spec = await openJobFile(ctx, file);
  const asked = { ...input, runKey: undefined, period: undefined, existing: false, again: false, finishBy: undefined };
  const request = await submissionOf(ctx, spec, file, asked);
  const { inputs, inputDirectory, params, labels, expectInputs, allowEmpty, maxCost = null } = request;
  const directory = dirname(resolve(ctx.io.cwd, file));
  const code = request.code === undefined ? await packCode(directory, spec.files) : request.code;
  const job: ScheduledJob = {
    ...{ spec, code: code?.sha256 ?? null, file, directory, inputs, inputDirectory, params, labels, expectInputs },
    ...{ allowEmpty, maxCost, awaitInput: input.awaitInput ?? 0 },
    finishBy: input.finishBy === undefined ? null : finishByOf(input.finishBy),
  };
  const [first] = firingsAfter(when, ctx.clock.now(), 1);
  if (first === undefined) throw new BatchctlError('usage', 'it never fires: no such time is to come');
  const { attachments = null } = request;
  const fired = { ...requestOf({ name, job, zone: when.zone }, first, code), attachments };
  const { spec: settled, place } = settleSpec(fired);
  const remote = attachments !== null || (await ctx.platform()).remote === true;
  refuseForeign(settled, remote);
  refuseUnreachable(settled, remote, place);
  return { job, code };
}

/** Nobody knows who will fire it: on this machine anyone can read its files, elsewhere only what lies in the cloud. */
function refuseUnreachable(
  { input }: Pick<ScheduledJob['spec'], 'input'>,
  remote: boolean,
  place: string | null,
): void {
  if (input === null) {
    throw new BatchctlError('jobFile', 'the job has no input: field, which says how to split', {
      hint: 'batchctl job schema',
    });
  }
  const names = needsNoInput(input.split) ? [] : input.from;
  if (names.length === 0 && !needsNoInput(input.split)) {
    throw new BatchctlError('usage', 'the job file names no input.from', { hint: 'give one: --input store:KEY' });
  }
  if (names.includes('-')) throw new BatchctlError('usage', '--input -: nothing comes through a pipe when it fires');
  if (!remote) return;
  const own = names.find((name) => !/^(store|job):/.test(name) && !isS3Uri(name));
  if (own !== undefined) {
    throw new BatchctlError(
      'usage',
      `the input ${own} is a file of this machine, and whoever fires it may be on another`,
      {
        hint: 'batchctl upload puts it into the store: name it store:KEY, or s3://BUCKET/KEY, or job:JOB/STEP',
      },
    );
  }
  if (place !== null && !isS3Uri(place)) {
    throw new BatchctlError(
      'usage',
      `deliver.to ${place} is a directory of this machine, and whoever fires it may be on another`,
      {
        hint: 'deliver to s3://BUCKET/PREFIX/',
      },
    );
  }
}
