import type { Notification } from './notify.ts';
import type { Rehearsal } from './rehearsal.ts';

/** A job with more parts is refused, unless its file says another number. */
export const MAX_TASKS = 1_000_000;

/** A job's spec with all defaults: made from a job file by `jobs/spec/`, and kept in job.json. */
export interface JobSpec {
  readonly name: string;
  /** Files shipped to the workers, as written: relative to the job file, globs allowed. */
  readonly files: readonly string[];
  readonly params: Readonly<Record<string, string>>;
  /** Null if `--input` must give it. */
  readonly input: InputSpec | null;
  readonly steps: readonly StepSpec[];
  readonly tolerate: Tolerance;
  /** `finish`: other chains go on; `stop`: no tasks are sent after the first failure for good. */
  readonly onFailure: 'finish' | 'stop';
  /**
   * The share (0..1) of failed among ended tasks that pauses the job, once 20 have ended; null: none. `never` also
   * disables the pause for a program that seems faulty.
   */
  readonly halt: number | 'never' | null;
  /** Control totals, as written: `price.records == input.records`. */
  readonly expect: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly maxRunning: number | null;
  readonly maxTasks: number;
  readonly deliver: { readonly to: string; readonly name: string; readonly marker: string } | null;
  readonly notify: readonly Notification[];
}

export interface InputSpec {
  /** The inputs; empty if `--input` must name them. Several entries are several inputs. */
  readonly from: readonly string[];
  readonly split: SplitSpec;
}

/** How an input becomes parts (`docs/job-file.md`). Sizes in bytes. */
export type SplitSpec =
  | ({ readonly by: 'lines' } & SplitBy)
  | ({
      readonly by: 'csv';
      readonly header: boolean;
      readonly delimiter: string;
      readonly quote: string;
      /** Read all of an input to cut it, also where reading around the cuts would do. */
      readonly exact?: true;
    } & SplitBy)
  | ({ readonly by: 'jsonl' } & SplitBy)
  | ({ readonly by: 'records'; readonly length: number } & SplitBy)
  | { readonly by: 'file'; readonly pack?: PackLimits }
  | { readonly by: 'list' }
  | {
      readonly by: 'table';
      /** Absent: as the header shows. */
      readonly delimiter?: string;
      readonly quote: string;
    }
  | { readonly by: 'range'; readonly from: number; readonly to: number }
  | {
      readonly by: 'grid';
      readonly axes: Readonly<Record<string, readonly string[]>>;
      /** Groups of axes of equally many values, whose values go together. */
      readonly zip?: readonly (readonly string[])[];
      /** Combinations that are left out: those that have, of every axis in an entry, one of its values. */
      readonly exclude?: readonly Readonly<Record<string, readonly string[]>>[];
    };

/** How many files, and bytes of them, are at most one task; at least one of the two is set. */
export interface PackLimits {
  readonly files?: number;
  readonly bytes?: number;
}

/** Exactly one of the two is set. */
export type SplitBy =
  | { readonly every: number; readonly size?: undefined }
  | { readonly size: number; readonly every?: undefined };

/** `lines`: an output without a final line end gets one before the next. `bytes`: joined unchanged. */
export type Join = 'lines' | 'bytes';

/** `guess`: one of the two for the whole step, by its first outputs. */
export type JoinRule = Join | 'guess';

export interface StepSpec {
  readonly name: string;
  /** An argv, run without a shell; a string runs under `/bin/sh -c`. */
  readonly run: readonly string[] | string;
  readonly gather: boolean;
  /**
   * How the command gets its input. `dir` and `list` are for gathers, and for the files of a pack; `url`, without a
   * copy, for whole files.
   */
  readonly input: 'stdin' | 'file' | 'url' | 'dir' | 'list';
  /** `none`: the step works by side effects: its output is empty, and files that it leaves are of no interest. */
  readonly output: 'stdout' | 'file' | 'files' | 'none';
  /** `.mkv`: how the names of outputs end, and so `{output}`. Absent unless given, to keep digests the same. */
  readonly extension?: string;
  /** `once`: a gather's joined stdin keeps only the first header line. */
  readonly header: 'once' | null;
  /** How a gather's stdin is joined; null or absent: see `joinOf`. Absent unless given, to keep digests the same. */
  readonly join?: Join | null;
  readonly explode: boolean;
  readonly group: string;
  readonly attempts: number;
  /** Seconds, staging included. */
  readonly timeout: number;
  /** Seconds without output; null: off. */
  readonly stall: number | null;
  readonly needs: { readonly slots: number | 'all'; readonly memory: number; readonly disk: number };
  readonly env: Readonly<Record<string, string>>;
  /** Name to reference (`env:NAME`, `file:/path`), resolved by the worker at each attempt. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Exit codes for which a retry is pointless. */
  readonly permanent: readonly number[];
  readonly maxRunning: number | null;
  readonly interruptions: number | null;
  readonly fallback: string | null;
}

/** The fields of a step that `retry --with` may change: those that a worker reads at each attempt. */
export const CORRECTABLE_STEP_FIELDS = [
  'run',
  'input',
  'output',
  'extension',
  'header',
  'join',
  'timeout',
  'stall',
  'attempts',
  'permanent',
  'maxRunning',
  'needs',
  'env',
  'secrets',
] as const satisfies readonly (keyof StepSpec)[];

/** The groups that a job's tasks may come to: its steps' own, then the fallback groups for spot interruptions. */
export function groupsOf({ steps }: Pick<JobSpec, 'steps'>): readonly string[] {
  const fallbacks = steps.flatMap(({ fallback }) => (fallback === null ? [] : [fallback]));
  return [...new Set([...steps.map(({ group }) => group), ...fallbacks])];
}

export type Tolerance =
  | { readonly kind: 'count'; readonly count: number }
  /** A share (0..1) of all chains, rounded down. */
  | { readonly kind: 'share'; readonly share: number };

/** How many chains may fail for good while gathers still open. */
export function toleratedOf(tolerance: Tolerance, chains: number): number {
  return tolerance.kind === 'count' ? tolerance.count : Math.floor(tolerance.share * chains + 1e-9);
}

/** A job with its tolerance of now. */
interface Tolerated {
  readonly record: Pick<JobRecord, 'spec'>;
  readonly tolerance: Tolerance;
}

/** How many chains of the section that begins at `start` may fail for good; no failure of a gather is tolerated. */
export function toleratedFrom({ record, tolerance }: Tolerated, start: number, chains: number): number {
  return record.spec.steps[start]?.gather ? 0 : toleratedOf(tolerance, chains);
}

/** The sums of a value of each step by section, under the section's first step. */
export function sumBySection(steps: readonly StepSpec[], values: readonly number[]): ReadonlyMap<number, number> {
  const sums = new Map<number, number>();
  for (const [index, value] of values.entries()) {
    const start = sectionStart(steps, index);
    sums.set(start, (sums.get(start) ?? 0) + value);
  }
  return sums;
}

/** An input at the time of the job's acceptance; if it has changed, its tasks fail (`changed`). */
export interface JobInput {
  /** The name as requested, for people. */
  readonly name: string;
  readonly size: number;
  /**
   * `file:` a local file read in place, pinned by inode, size and mtime; `store:` an object, by its etag; `s3:` an
   * object given by bucket and key, by its version if the bucket is versioned, and by its etag.
   */
  readonly source:
    | { readonly kind: 'file'; readonly path: string; readonly pin: FilePin }
    | { readonly kind: 'store'; readonly key: string; readonly etag: string }
    | {
        readonly kind: 's3';
        readonly bucket: string;
        readonly key: string;
        readonly etag: string;
        readonly version: string | null;
      }
    /** Read once from a pipe; all of it is in pieces. */
    | { readonly kind: 'pipe' };
  /** `sha256:<hex>` of all bytes, or null if it was not computed. */
  readonly checksum: string | null;
  /** Null if the split didn't count. */
  readonly records: number | null;
  readonly compression: 'gzip' | 'zstd' | null;
  /** Present, with value 0, for an input without parts: it is empty, or only a header. */
  readonly parts?: 0;
}

export function emptyInputs(inputs: readonly Pick<JobInput, 'name' | 'parts'>[]): readonly string[] {
  return inputs.filter(({ parts }) => parts === 0).map(({ name }) => name);
}

export interface FilePin {
  readonly inode: string;
  readonly size: number;
  readonly mtimeNs: string;
}

/** Parts that were added to an accepted job (ADR 101). */
export interface Extent {
  /** The round in which their tasks began. */
  readonly round: number;
  /** Of its objects: those of other names were given up. */
  readonly name: string;
  /** The number of its first part. */
  readonly first: number;
  readonly count: number;
  /** How many inputs the job had before. */
  readonly firstInput: number;
  /** `sha256:<hex>` of the lines of its parts. */
  readonly checksum: string;
  /** The digest of the submission that brought it. */
  readonly digest: string;
}

/** The newest format of job.json and of journal entries: above 1 only where older workers lack a rule (`model/needs.ts`). */
export const JOB_FORMAT = 3;
export type JobFormat = 1 | 2 | 3;

/**
 * job.json: the job as accepted. It never changes; `adjust` and `retry` are journal entries. The record of a view holds
 * what `extend` entries added, too.
 */
export interface JobRecord {
  readonly format: JobFormat;
  /** The least version of workers; absent: any. */
  readonly needs?: string;
  readonly job: string;
  readonly spec: JobSpec;
  readonly runKey: string | null;
  /** The number of this run of the key, from 0; null without a key. */
  readonly runNumber: number | null;
  readonly period: string | null;
  readonly inputs: readonly JobInput[];
  /** The number of parts, and so of tasks of the first step. */
  readonly parts: number;
  readonly records: number | null;
  readonly digest: string;
  /** Which facts the digest holds (`jobs/submit/same-job.ts`); absent in jobs of 0.2.0 and before: 1. */
  readonly digestFormat?: number;
  /** SHA-256 of the uncompressed archive of the job's files; null when it has none. */
  readonly code: string | null;
  /** ISO-8601 UTC. */
  readonly createdAt: string;
  /**
   * ISO-8601 UTC: the job's place in the order of jobs, if its clock did not show it (`placeInOrder`); absent:
   * `createdAt` is its place.
   */
  readonly orderedAt?: string;
  readonly createdBy: string;
  readonly host: string;
  readonly version: string;
  /** ISO-8601 UTC: the earliest start; null: at once. */
  readonly notBefore: string | null;
  /** ISO-8601 UTC: the deadline; null or absent without one. */
  readonly finishBy?: string | null;
  /** USD; null or absent without a limit. */
  readonly maxCost?: number | null;
  /** Values from flags that replaced the job file's, so that a changed file is compared with the original file's. */
  readonly given?: GivenByFlags;
  /** Where its outputs are delivered when it succeeds; null or absent: not delivered. */
  readonly deliverTo?: DeliverTo | null;
  /** The directory on `host` that programs in its `notify` are relative to; null or absent: there are none. */
  readonly notifyFrom?: string | null;
  /** Inputs that were accepted incomplete (`--allow-incomplete`); absent without any. */
  readonly incomplete?: readonly IncompleteInput[];
  /** The entries that directories and patterns of its inputs and files left out, a line each; absent: none. */
  readonly leftOut?: readonly string[];
  /** Set for a job on a sample of its parts; null or absent for a real job. */
  readonly rehearsal?: Rehearsal | null;
  /** Never in job.json: what was added since, in order; absent: nothing. */
  readonly extents?: readonly Extent[];
}

/** A job's place in the order of jobs, ISO-8601 UTC: a later one was accepted later, whatever the clocks showed. */
export const orderOf = ({ orderedAt, createdAt }: Pick<JobRecord, 'orderedAt' | 'createdAt'>): string =>
  orderedAt ?? createdAt;

/** A step of another job that is read although some of its tasks have no output. */
export interface IncompleteInput {
  /** `job:ID/STEP` */
  readonly name: string;
  readonly tasks: number;
  /** Those that failed or were skipped. */
  readonly missing: number;
}

export function incompleteText({ name, tasks, missing }: IncompleteInput): string {
  return `the input ${name} is incomplete: ${missing} of its ${tasks} tasks failed or were skipped`;
}

/** A line for each kind of thing that the inputs leave out, to warn of. */
export const leftOutLines = ({
  leftOut = [],
  incomplete = [],
}: Pick<JobRecord, 'leftOut' | 'incomplete'>): readonly string[] => [...leftOut, ...incomplete.map(incompleteText)];

const EMPTY_SHOWN = 20;

/** One line that names the inputs without parts. */
export function emptyInputsText(names: readonly string[]): string {
  const more = names.length > EMPTY_SHOWN ? `, and ${names.length - EMPTY_SHOWN} more` : '';
  const what = names.length === 1 ? 'an input has' : `${names.length} inputs have`;
  return `${what} no parts (empty, or only a header): ${names.slice(0, EMPTY_SHOWN).join(', ')}${more}`;
}

export interface DeliverTo {
  /** `s3://BUCKET/PREFIX/`, or a directory's absolute path. */
  readonly place: string;
  /** The machine with the directory; null for a bucket. */
  readonly host: string | null;
}

interface GivenByFlags {
  readonly input: boolean;
  /** Names. */
  readonly params: readonly string[];
  readonly labels: readonly string[];
}

/**
 * The step at which the chains of a step begin: the first step, a gather, or a step after one that explodes. Steps of
 * one section share their task numbers.
 */
export function sectionStart(steps: readonly StepSpec[], index: number): number {
  let start = index;
  while (start > 0 && !steps[start]?.gather && !steps[start - 1]?.explode) start -= 1;
  return start;
}

/** Whether the tasks of the step at `index` began with several files of the input each. */
export function takesPacks({ input, steps }: Pick<JobSpec, 'input' | 'steps'>, index: number): boolean {
  return input?.split.by === 'file' && input.split.pack !== undefined && sectionStart(steps, index) === 0;
}

/**
 * How the outputs of the step at `index` are joined: as `join` says; without it as lines if only one header is kept, by
 * a guess if the parts are text (lines, csv, jsonl), as its outputs may not be, else as bytes.
 */
export function joinOf(
  { input, steps }: Pick<JobSpec, 'input' | 'steps'>,
  index: number,
  { header, join }: { readonly header: 'once' | null; readonly join?: Join | null | undefined },
): JoinRule {
  if (join !== undefined && join !== null) return join;
  const by = sectionStart(steps, index) === 0 ? input?.split.by : undefined;
  if (header === 'once') return 'lines';
  return by === 'lines' || by === 'csv' || by === 'jsonl' ? 'guess' : 'bytes';
}

/** True for a step whose tasks are the files that the previous step published (`explode: true` there). */
export function takesFiles(steps: readonly StepSpec[], index: number): boolean {
  return steps[index - 1]?.explode === true;
}

/** True for a step that waits for all earlier chains and has an opened.json: a gather, or one that takes files. */
export function hasBarrier(steps: readonly StepSpec[], index: number): boolean {
  return steps[index]?.gather === true || takesFiles(steps, index);
}

/** The index of a job's step; -1 if it has none of that name. */
export function stepIndex(spec: JobSpec, name: string): number {
  return spec.steps.findIndex((step) => step.name === name);
}

/** A tolerance in the job file's form: `3`, `0.1%`. */
export function toleranceText(tolerance: Tolerance): string {
  return tolerance.kind === 'count' ? String(tolerance.count) : `${Number((tolerance.share * 100).toPrecision(12))}%`;
}

/** Parses `3`, `0.1%`. Throws a RangeError for anything else. */
export function parseTolerance(text: string): Tolerance {
  const share = /^(\d+(?:\.\d+)?)%$/.exec(text);
  if (share?.[1] !== undefined) return { kind: 'share', share: Number(share[1]) / 100 };
  if (/^\d+$/.test(text)) return { kind: 'count', count: Number(text) };
  throw new RangeError(`expected a count or a percentage, found ${text}`);
}

/**
 * Whether more tasks failed for good than may, by step. The chains of the first section and of each one behind an
 * `explode` are counted separately, with the gathers that follow them: a gather that fails ends the job by itself, as
 * nothing behind it can run.
 */
export function exceedsTolerance(
  { record, tolerance }: Tolerated,
  sizes: readonly number[],
  failed: readonly number[],
): boolean {
  let [start, count] = [0, 0];
  return record.spec.steps.some((_, index) => {
    if (takesFiles(record.spec.steps, index)) [start, count] = [index, 0];
    count += failed[index] ?? 0;
    return count > toleratedOf(tolerance, sizes[start] ?? 0);
  });
}
