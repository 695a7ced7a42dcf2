import { createHash } from 'node:crypto';
import { BatchctlError } from '../../errors.ts';
import { canonicalJson, requireKnownFormat } from '../../lib/json.ts';
import { describeFound } from '../../lib/problems.ts';
import { shellWord } from '../../lib/shell-word.ts';
import type { JobInput, JobRecord, JobSpec } from '../../model/job.ts';
import { jobKey } from '../../model/keys.ts';
import { type Change, diffJobFile, isSameJson } from '../../model/overrides.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { requireView } from '../journal.ts';
import { existingRun } from '../run-keys.ts';
import type { Prepared } from './prepared.ts';

/** The facts by which two submissions are the same job: all that its outputs depend on, and their destination. */
export interface JobFacts {
  readonly spec: JobSpec;
  /** The hash of the job's files. */
  readonly code: string | null;
  readonly inputs: readonly Pick<JobInput, 'name' | 'size' | 'checksum' | 'source'>[];
  readonly period: string | null;
  /** Where outputs are delivered, with `{job}` not filled in. */
  readonly place: string | null;
}

/** The digests that this version writes. Records of 0.2.0 and before have no number: format 1. */
export const DIGEST_FORMAT = 2;

/**
 * SHA-256 over a job's facts. Format 1 left out the period, where outputs are delivered, and the place of a file that is
 * read in place.
 */
export function digestOf(facts: JobFacts, format: number = DIGEST_FORMAT): string {
  const { spec, code, inputs, period, place } = facts;
  const text = canonicalJson(
    format === 1
      ? { spec, code, inputs: inputs.map(formerInputFacts) }
      : { format, spec, code, inputs: inputs.map(inputFacts), period, place },
  );
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

/** The digest of an accepted job, from its job.json, in the format in which it was accepted. */
export function recordDigest(record: Pick<JobRecord, 'spec' | 'code' | 'inputs'> & Partial<JobRecord>): string {
  return digestOf(recordedFacts(record), record.digestFormat ?? 1);
}

/**
 * A pipe's size was not known when the digest was made. An altered place may be no text: the digest then differs. Throws
 * `newer` for a job whose digest holds facts that this version doesn't know: it isn't altered, and may differ in them.
 */
function recordedFacts(record: Pick<JobRecord, 'spec' | 'code' | 'inputs'> & Partial<JobRecord>): JobFacts {
  const { spec, code, inputs, job, period = null, deliverTo = null, digestFormat: format } = record;
  requireKnownFormat(`the digest in ${job === undefined ? 'job.json' : jobKey(job)}`, { format }, DIGEST_FORMAT);
  return {
    spec,
    code,
    inputs: inputs.map((input) => (input.source.kind === 'pipe' ? { ...input, size: 0 } : input)),
    period,
    place: deliverTo === null || job === undefined ? null : String(deliverTo.place).replaceAll(job, '{job}'),
  };
}

/**
 * A file that is read in place is identified by its absolute path, inode, size and modification time, so that a run key
 * can be compared without reading gigabytes. The device is left out: its number may change with a boot or a mount.
 * Other inputs are identified by name, size and checksum, or without one by the entity tag.
 */
function inputFacts({ name, size, checksum, source }: JobFacts['inputs'][number]) {
  if (source.kind !== 'file') return { name, size, mark: checksum ?? (source.kind === 'pipe' ? null : source.etag) };
  const { path, pin } = source;
  return { name, size, path, inode: pin.inode, mtime: pin.mtimeNs };
}

function formerInputFacts({ name, size, checksum, source }: JobFacts['inputs'][number]) {
  if (source.kind === 'file') return { name, size, mark: source.pin.mtimeNs };
  return { name, size, mark: checksum ?? (source.kind === 'pipe' ? null : source.etag) };
}

/**
 * How a submission differs from the job that has its run key; empty if it is the same job. The facts are compared, not
 * digests, so this also holds for jobs whose digest left some out. Labels change no data and are not compared. A
 * submission also matches what the job has become: the program of its last `retry --with`, on the inputs as accepted.
 */
export function differencesOf(view: JobView, now: JobFacts): readonly Change[] {
  const accepted = recordedFacts(view.accepted);
  const around = aroundDifferences(accepted, now);
  const all = [...around, ...programDifferences(accepted, now)];
  return around.length === 0 && all.length > 0 && isCorrectedProgram(view, now) ? [] : all;
}

/** The same without regard to its input, which an extension changes. */
export function otherThanInput(view: JobView, now: JobFacts): readonly Change[] {
  const { inputs, spec } = view.accepted;
  const { input, maxTasks } = spec;
  return differencesOf(view, { ...now, inputs, spec: { ...now.spec, input, maxTasks } });
}

/** Whether a submission has the digest of the job as accepted, or of one that extended it. */
export const isKnownDigest = ({ accepted, record }: JobView, digest: string): boolean =>
  digest === accepted.digest || record.extents?.some((extent) => extent.digest === digest) === true;

/** What an input is to a job: two with the same identity are one version of it. */
export const inputIdentity = (input: JobFacts['inputs'][number]): string => canonicalJson(inputFacts(input));

/** The job that has a submission's run key, and how the submission differs from it; null if the key is free. */
export async function standingRun(
  platform: Pick<Platform, 'store'>,
  prepared: Prepared,
): Promise<{ readonly view: JobView; readonly differences: readonly Change[] } | null> {
  const existing = prepared.runKey === null ? null : await existingRun(platform, prepared.runKey);
  if (existing === null) return null;
  const view = await requireView(platform.store, existing.claim.job);
  return { view, differences: isKnownDigest(view, prepared.digest) ? [] : differencesOf(view, factsOf(prepared)) };
}

/** The facts of a submission. */
export function factsOf({ spec, code, inputs, request, deliverPlace: place }: Omit<Prepared, 'digest'>): JobFacts {
  return { spec, code: code?.sha256 ?? null, inputs: inputs.map(({ input }) => input), period: request.period, place };
}

/** Differences in all that the job file's program is applied to. A correction of the program can't explain them. */
function aroundDifferences(accepted: JobFacts, now: JobFacts): readonly Change[] {
  return [
    ...difference('period', accepted.period, now.period),
    ...inputDifferences(accepted.inputs, now.inputs),
    ...difference('deliver.to', accepted.place, now.place),
  ];
}

function inputDifferences(accepted: JobFacts['inputs'], now: JobFacts['inputs']): readonly Change[] {
  if (accepted.length !== now.length) return difference('number of inputs', accepted.length, now.length);
  return accepted.flatMap((before, at) => {
    const input = now[at] ?? before;
    const [from, to] = [inputFacts(before), inputFacts(input)];
    if (isSameJson(from, to) || isSameVersion(before, input)) return [];
    if (before.name !== input.name) return difference('input', before.name, input.name);
    const field = `input ${input.name}`;
    if (before.source.kind === 'file' && input.source.kind === 'file' && before.source.path !== input.source.path)
      return difference(field, before.source.path, input.source.path);
    if (before.size !== input.size) return difference(field, `${before.size} bytes`, `${input.size} bytes`);
    return [{ field, from, to }];
  });
}

/** Jobs of 0.2 and before identified objects of `upload` by their entity tag, although these have a checksum. */
function isSameVersion(a: JobFacts['inputs'][number], b: JobFacts['inputs'][number]): boolean {
  const isKnown = a.checksum === null || b.checksum === null;
  return (
    isKnown && a.name === b.name && a.size === b.size && a.source.kind === 'store' && isSameJson(a.source, b.source)
  );
}

function programDifferences(accepted: JobFacts, now: JobFacts): readonly Change[] {
  const [before, after] = [specFields(accepted.spec), specFields(now.spec)];
  const fields = [...new Set([...before.keys(), ...after.keys()])];
  return [
    ...fields.flatMap((field) => difference(field, before.get(field) ?? null, after.get(field) ?? null)),
    ...difference('files', accepted.code, now.code),
  ];
}

const difference = (field: string, from: unknown, to: unknown): readonly Change[] =>
  canonicalJson(from) === canonicalJson(to) ? [] : [{ field, from, to }];

/** The fields of a spec by path: `params.region`, `steps.price.env.TZ`. Lists are values, except the steps. */
function specFields({ labels: _, steps, ...spec }: JobSpec): ReadonlyMap<string, unknown> {
  const fields = new Map<string, unknown>();
  const add = (path: string, value: unknown): void => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) fields.set(path, value);
    else for (const [key, each] of Object.entries(value)) add(`${path}.${key}`, each);
  };
  for (const [key, value] of Object.entries(spec)) add(key, value);
  add(
    'steps',
    steps.map(({ name }) => name),
  );
  for (const { name, ...step } of steps)
    for (const [key, each] of Object.entries(step)) add(`steps.${name}.${key}`, each);
  return fields;
}

/** A command that cron fires thus stays valid after its program was fixed. */
function isCorrectedProgram(view: JobView, { spec, code }: Pick<JobFacts, 'spec' | 'code'>): boolean {
  const { accepted: record, overrides } = view;
  const { code: correctedCode = record.code, steps = {}, defaults = {}, expect } = overrides;
  if (correctedCode !== code) return false;
  const params = record.given?.params ?? [];
  if (!params.every((name) => spec.params[name] === record.spec.params[name])) return false;
  const correction = diffJobFile(record, overrides, { ...spec, labels: record.spec.labels });
  const { steps: nowSteps = {}, defaults: nowDefaults = {}, expect: nowExpect } = correction.overrides;
  const [accepted, now] = [
    [steps, defaults, expect ?? null],
    [nowSteps, nowDefaults, nowExpect ?? null],
  ];
  return correction.refused.length === 0 && canonicalJson(accepted) === canonicalJson(now);
}

/** Fields of `aroundDifferences`, and of the split. */
const AROUND = /^(period$|input\b|number of inputs$|deliver[.]to$)/;

const DIFFERENCES_SHOWN = 3;

/** The error for a run key that belongs to another job: what differs, and what to type. */
export function otherContent(view: JobView, prepared: Prepared, differences: readonly Change[]): BatchctlError {
  const { job } = view.record;
  const shown = differences.slice(0, DIFFERENCES_SHOWN).map((each) => differenceText(shownDifference(each)));
  const more = differences.length - shown.length;
  return new BatchctlError(
    'refused',
    `the run key ${prepared.runKey} belongs to job ${job}, with other content: ${shown.join('; ')}${more > 0 ? `; and ${more} more` : ''}`,
    {
      hint: `${periodHint(view, prepared)}${fixHint(view, prepared, differences)}use --existing for that job, or --again for another run; batchctl status ${job}`,
    },
  );
}

/** A difference as people see it. Values of variables, receivers and long values are null. */
export interface ShownDifference {
  /** `period`, `params.region`, `steps.price.run`, `input claims.csv` */
  readonly field: string;
  readonly from: string | null;
  readonly to: string | null;
}

export function shownDifference({ field, from, to }: Change): ShownDifference {
  const [before, after] = [valueText(field, from), valueText(field, to)];
  const hidden = before === null || after === null;
  return { field, from: hidden ? null : before, to: hidden ? null : after };
}

/** `period was 2026-11, is 2026-12` */
export const differenceText = ({ field, from, to }: ShownDifference): string =>
  from === null || to === null ? `${field} has changed` : `${field} was ${from}, is ${to}`;

const HIDDEN = /\.(env|secrets)\.|^notify|^files$/;
const LONGEST_VALUE = 100;

function valueText(field: string, value: unknown): string | null {
  if (HIDDEN.test(field) || (typeof value === 'object' && value !== null)) return null;
  if (value === null) return 'none';
  if (typeof value === 'string' && /^(period|input|deliver)/.test(field))
    return value.length > LONGEST_VALUE ? null : value;
  return describeFound(value, field.split('.'));
}

/** A key without `{period}` that is used for several periods most likely lacks it. */
function periodHint({ record }: JobView, { request, runKey }: Prepared): string {
  const { period } = record;
  const key = request.runKey ?? runKey ?? '';
  if (request.period === period || /\{period\}/.test(key)) return '';
  if (request.period === null) return `add --period ${period} for that job; or `;
  const template = period !== null && key.includes(period) ? key.replace(period, '{period}') : `${key}-{period}`;
  return `--run-key '${template}' gives each period its own run; or `;
}

/** After a failure the other content is most likely a fixed program. A retry can't apply any other content. */
function fixHint(
  view: JobView,
  { request: { jobFile = null, attachments = null } }: Prepared,
  differences: readonly Change[],
): string {
  if (stateOf(view) !== 'failed' || differences.some(({ field }) => AROUND.test(field))) return '';
  const file = jobFile === null || attachments !== null ? 'JOBFILE' : shellWord(jobFile);
  const written = jobFile === null ? ' (--save-job JOBFILE writes one)' : '';
  return `batchctl retry ${view.record.job} --with ${file} runs its failed tasks again, fixed${written}; or `;
}
