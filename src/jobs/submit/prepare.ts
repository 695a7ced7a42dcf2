import { resolve } from 'node:path';
import { BatchctlError, isKind } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { wait } from '../../lib/wait.ts';
import type { IncompleteInput, JobInput, JobSpec } from '../../model/job.ts';
import { RUN_KEY_PATTERN } from '../../model/keys.ts';
import { isS3Uri } from '../../model/s3-uri.ts';
import { substitute } from '../../model/substitute.ts';
import type { OpenBucket } from '../../ports/bucket.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';
import { packCode } from '../code-archive.ts';
import { deliverPlace } from '../deliver/deliver-to.ts';
import { requireView } from '../journal.ts';
import { refuseLocalReceivers } from '../receivers.ts';
import { noUrl } from '../split/unstaged-input.ts';
import {
  closeInputs,
  type FileChecksums,
  findInputs,
  type InputPlace,
  needsNoInput,
  noBuckets,
  plannedInputs,
} from './inputs.ts';
import type { FindSource } from './job-outputs.ts';
import { checkPackInputs } from './pack-paths.ts';
import type { Prepared, SubmissionRequest } from './prepared.ts';
import { digestOf, factsOf } from './same-job.ts';
import { namesCheck, readRows } from './table-columns.ts';
import type { FoundInput } from './upload-inputs.ts';

/**
 * Looks up parameters, files, inputs and the digest. Throws `usage` for fields that don't go together, `jobFile` for
 * unknown parameters, `notFound` for inputs that match nothing, `refused` if their number isn't the expected one.
 * `findSource` finds the job of a `job:JOB/STEP` input; without it, JOB is an id. With `checksums`, local inputs will
 * be put into the store, because workers run on other machines.
 */
export async function prepare(
  request: SubmissionRequest,
  store: ObjectStore,
  findSource: FindSource = (job) => requireView(store, job),
  checksums: FileChecksums | null = null,
  bucket: OpenBucket = noBuckets,
): Promise<Prepared> {
  const { spec, runKey, place: deliverTo } = resolveSpec(request);
  if (checksums !== null) refuseLocalReceivers(spec);
  const code = request.code === undefined ? await packCode(request.directory, spec.files) : request.code;
  const leftOut = request.code === undefined ? [...(code?.leftOut ?? [])] : [];
  const onLeftOut = (text: string): number => leftOut.push(text);
  const incomplete: IncompleteInput[] = [];
  const onIncomplete = request.allowIncomplete ? (found: IncompleteInput): number => incomplete.push(found) : null;
  const place = { store, bucket, findSource, checksums, onLeftOut, onIncomplete };
  const inputs = await inputsOf(request, spec, place);
  let columns: readonly string[] | null;
  try {
    checkInputs(request, spec, runKey, inputs);
    checkPackInputs(
      spec,
      inputs.map(({ input }) => input),
    );
    refuseUnreachable(spec, inputs, checksums === null);
    columns = await readRows(spec, inputs, namesCheck({ request, spec }, inputs));
  } catch (error) {
    await closeInputs(inputs);
    throw error;
  }
  const found = { request, spec, runKey, code, inputs, columns, deliverPlace: deliverTo, leftOut, incomplete };
  return { ...found, digest: digestOf(factsOf(found)) };
}

/** The profile's own directory, if inputs are read in place: an input that contains it leaves it out. */
export const ownPlaces = ({ store, workplace }: Pick<Platform, 'store' | 'workplace'>): readonly string[] =>
  workplace.sharesFiles ? [resolve(store.location)] : [];

/** A request before anything is looked up. */
interface ResolvedSpec {
  readonly spec: JobSpec;
  readonly runKey: string | null;
  /** Where outputs will be delivered, with `{job}` not filled in; null: nowhere. */
  readonly place: string | null;
}

/** Fills in parameters and the period. Throws like `prepare` for fields that don't go together. */
export function resolveSpec(request: SubmissionRequest): ResolvedSpec {
  const params = mergeParams(request);
  const known = { ...params, ...(request.period !== null && { period: request.period }) };
  const fill = (text: string, field: string): string => substitute(text, known, { field, unknown: 'error' });
  const spec: JobSpec = {
    ...request.spec,
    params,
    labels: { ...request.spec.labels, ...request.labels },
    input: inputOf(request, fill),
  };
  const runKey = runKeyOf(request, fill);
  const place = deliverPlace(spec, request.directory, known);
  if (request.attachments != null) refuseManagerMachine(spec, place);
  return { spec, runKey, place };
}

/** A remote caller may not use this machine's directories or programs. */
function refuseManagerMachine(spec: JobSpec, place: string | null): void {
  refuseLocalReceivers(spec);
  if (place === null || isS3Uri(place)) return;
  throw new BatchctlError(
    'usage',
    `deliver.to ${spec.deliver?.to} is a directory, which would be on the manager's machine`,
    { hint: 'deliver to s3://BUCKET/PREFIX/, or use batchctl fetch -o DIR/ when the job is done' },
  );
}

function mergeParams({ spec, params }: SubmissionRequest): Readonly<Record<string, string>> {
  for (const name of Object.keys(params)) {
    if (Object.hasOwn(spec.params, name)) continue;
    const names = Object.keys(spec.params);
    throw new BatchctlError(
      'usage',
      `--set ${name}: the job has no such parameter (${names.join(', ') || 'it has none'})`,
      { hint: 'declare it in params of the job file' },
    );
  }
  return { ...spec.params, ...params };
}

function inputOf({ spec, inputs }: SubmissionRequest, fill: (text: string, field: string) => string): JobSpec['input'] {
  if (spec.input === null) return null;
  const from = inputs.length > 0 ? inputs : spec.input.from.map((name) => fill(name, 'input.from'));
  return { ...spec.input, from };
}

function runKeyOf({ runKey }: SubmissionRequest, fill: (text: string, field: string) => string): string | null {
  if (runKey === null) return null;
  const key = fill(runKey, '--run-key');
  if (RUN_KEY_PATTERN.test(key)) return key;
  throw new BatchctlError(
    'usage',
    `expected a run key of letters, digits and . _ @ : + -, at most 128, found "${key}"`,
    { hint: '--run-key month-end-2026-11' },
  );
}

async function inputsOf(
  request: SubmissionRequest,
  spec: JobSpec,
  place: Pick<InputPlace, 'store' | 'bucket' | 'findSource' | 'checksums' | 'onLeftOut' | 'onIncomplete'>,
): Promise<readonly FoundInput[]> {
  if (spec.input === null) {
    throw new BatchctlError('jobFile', 'the job has no input field, which defines the split', {
      hint: 'batchctl schema job',
    });
  }
  const { split, from } = spec.input;
  if (needsNoInput(split)) return [];
  const cut = request.attachments?.planned?.cut ?? null;
  if (cut !== null) return plannedInputs(cut.inputs);
  if (from.length === 0)
    throw new BatchctlError('usage', 'the job file has no input.from', { hint: 'use --input FILE' });
  const given = request.inputs.length > 0;
  const directory = given ? request.inputDirectory : request.directory;
  const stdin = given ? request.stdin : null;
  const attached = request.attachments?.inputs ?? null;
  const found = { seen: new Map<string, string>(), split, own: request.own ?? [] };
  return findInputs(from, { ...place, ...found, directory, stdin, attached });
}

function checkInputs(
  request: SubmissionRequest,
  spec: JobSpec,
  runKey: string | null,
  inputs: readonly FoundInput[],
): void {
  const { expectInputs } = request;
  if (expectInputs !== null && inputs.length !== expectInputs) {
    throw new BatchctlError('refused', `--expect-inputs ${expectInputs}, but found ${inputs.length} inputs`, {
      hint: `batchctl plan lists the inputs of: ${spec.input?.from.join(' ')}`,
    });
  }
  if (runKey !== null && inputs.some(({ input }) => input.name === '-')) {
    throw new BatchctlError(
      'usage',
      "--run-key can't be used with --input -, as the content of a pipe can't be compared",
      { hint: 'write it to a file first' },
    );
  }
}

/** Throws `jobFile` for an input that a command can't open itself: a pipe, or an object of a store that has no URLs. */
function refuseUnreachable({ steps }: JobSpec, inputs: readonly FoundInput[], sharesFiles: boolean): void {
  if (steps[0]?.input !== 'url') return;
  const isUnreachable = ({ kind }: JobInput['source']): boolean => kind === 'pipe' || (kind === 'store' && sharesFiles);
  const found = inputs.find(({ input }) => isUnreachable(input.source));
  if (found !== undefined) throw noUrl(found.input.name);
}

const LOOK_MS = 1_000;

/**
 * Prepares a submission whose inputs may not exist yet: for `seconds`, retries while they match nothing, are not of the
 * expected number, or still grow between two looks. Throws the last error.
 */
export async function awaitInputs<T extends Pick<Prepared, 'digest' | 'inputs'>>(
  prepare: () => Promise<T>,
  seconds: number,
  options: { readonly clock: Clock; readonly signal?: AbortSignal; readonly onWait?: (why: string) => void },
): Promise<T> {
  const end = options.clock.monotonic() + seconds * 1_000;
  let before: string | null = null;
  let told = '';
  for (;;) {
    const last = options.clock.monotonic() >= end || options.signal?.aborted === true;
    let why = 'the input exists; waiting until it stops changing';
    try {
      const prepared = await prepare();
      // Without time to wait, growth can't be observed: the pins detect writes during the cut.
      if (seconds === 0 || before === prepared.digest || last) return prepared;
      before = prepared.digest;
      await closeInputs(prepared.inputs);
    } catch (error) {
      if (last || !isKind(error, 'notFound', 'refused')) throw error;
      before = null;
      why = error.message;
    }
    if (why !== told) options.onWait?.(why);
    told = why;
    await wait(LOOK_MS, options.signal);
  }
}
