import { isCount } from '../lib/json.ts';

export interface OutputTask {
  readonly job: string;
  readonly step: string;
  readonly task: number;
}

/**
 * Facts about a published output: in the object's metadata, or in its manifest if it is large (law 12). Totals are sums
 * over these, so that a task counts once. It names its task, so that a copy under another key is detected.
 */
export interface OutputMeta extends OutputTask {
  readonly format: typeof OUTPUT_FORMAT;
  readonly attempt: string;
  /** The attempt's number, a label from 1. */
  readonly number: number;
  readonly round: number;
  readonly worker: string;
  /** ISO-8601 UTC. */
  readonly startedAt: string;
  readonly endedAt: string;
  readonly seconds: number;
  readonly cpuSeconds: number | null;
  readonly peakMemory: number | null;
  readonly bytesIn: number;
  /** The cuts of its part were assumed, and its worker found that it begins and ends between records. */
  readonly wholeRecords?: true;
  /** Bytes of all files of the output. */
  readonly bytesOut: number;
  /** `sha256:<hex>` of the output's bytes; for several files, of the manifest's lines. */
  readonly checksum: string;
  readonly counters: Readonly<Record<string, string>>;
  /**
   * `sha256:<hex>` of what it was made from: the output before it in its chain, or the file of an exploded output; for a
   * gather a digest over the checksums of the outputs that it read. Absent in the first step, and in outputs of earlier builds.
   */
  readonly inputChecksum?: string;
  /** The hash of its code, so that a proof can recognize outputs of a corrected program; null if there is none. */
  readonly code: string | null;
  /** True if the object is a manifest, and the bytes are in the files that it names. */
  readonly manifest?: boolean;
}

export interface OutputManifest {
  readonly format: typeof OUTPUT_FORMAT;
  readonly meta: OutputMeta;
  /** True for one large output, false for a step with `output: files`. */
  readonly single: boolean;
  readonly files: readonly OutputFile[];
}

export interface OutputFile {
  /** Relative, with `/`; '' for a single output. */
  readonly name: string;
  readonly key: string;
  readonly size: number;
  readonly checksum: string;
}

/** True for a path that stays below the directory that it is joined to. */
export function isSafeRelativePath(name: string): boolean {
  return name.length > 0 && !name.includes('\0') && name.split('/').every((part) => !['', '.', '..'].includes(part));
}

/** The format of outputs and manifests as written now. */
export const OUTPUT_FORMAT = 2;

/** The metadata key of `OutputMeta`, as ASCII JSON. */
export const META_KEY = 'batchctl';

/** Larger metadata goes into a manifest: S3 accepts 2,048 bytes in all (userguide/UsingMetadata). */
export const META_LIMIT = 1_900;

/** Outputs up to this size, in bytes, are published in one put. */
export const DIRECT_LIMIT = 8 * 2 ** 20;

const CHECKSUM = /^sha256:[0-9a-f]{64}$/;

type CheckedFields = Pick<
  OutputMeta,
  'attempt' | 'round' | 'number' | 'bytesOut' | 'checksum' | 'inputChecksum' | 'seconds' | 'bytesIn' | 'counters'
>;

/** The problem with a published output's metadata, for people; null if there is none. `round` is the job's last. */
export function metaProblem(meta: CheckedFields, round: number): string | null {
  if (typeof meta.attempt !== 'string' || meta.attempt === '') return 'it has no attempt id';
  if (!isCount(meta.round) || meta.round > round) return `it is from round ${meta.round}, which the job never had`;
  if (!isCount(meta.number) || meta.number < 1) return 'its attempt has no number';
  if (!isCount(meta.bytesOut)) return 'it has no size';
  if (typeof meta.checksum !== 'string' || !CHECKSUM.test(meta.checksum)) return 'it has no checksum';
  if (meta.inputChecksum !== undefined && !CHECKSUM.test(String(meta.inputChecksum)))
    return 'the checksum of its input is not one';
  if (typeof meta.seconds !== 'number' || !isCount(meta.bytesIn)) return 'it has no totals';
  if (typeof meta.counters !== 'object' || meta.counters === null) return 'it has no counters';
  return null;
}

/** The problem with the files of a manifest; null if there is none. Their keys are checked where they are read. */
export function manifestProblem(meta: OutputMeta, files: readonly OutputFile[]): string | null {
  let bytes = 0;
  for (const file of files) {
    if (!isCount(file.size) || !CHECKSUM.test(file.checksum)) return `${file.key} has no size or checksum`;
    bytes += file.size;
  }
  return bytes === meta.bytesOut ? null : `its files have ${bytes} bytes, but it says ${meta.bytesOut}`;
}

/** The text whose SHA-256 is the checksum of an output of several files. */
export function manifestLines(files: readonly OutputFile[]): string {
  return files.map(({ checksum, size, name }) => `${checksum} ${size} ${name}\n`).join('');
}
