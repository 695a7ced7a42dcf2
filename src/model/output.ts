/** Whose an output is. */
export interface OutputOf {
  readonly job: string;
  readonly step: string;
  readonly task: number;
}

/**
 * What is known of a published output: in the object's metadata, or in its manifest when it is large (law 12).
 * Totals are sums over these, so that a task counts once. It names its task, so that a copy at another key is noticed;
 * format 1 (0.1.0) named none: there, readers take the task of the key.
 */
export interface OutputMeta extends OutputOf {
  readonly format: 1 | typeof OUTPUT_FORMAT;
  readonly attempt: string;
  /** The attempt's label, from 1. */
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
  /** Bytes of all the output's files. */
  readonly bytesOut: number;
  /** `sha256:<hex>` of the output's bytes; of the manifest's lines for many files. */
  readonly checksum: string;
  readonly counters: Readonly<Record<string, string>>;
  /** The code it ran, so that a proof can tell a mended program's outputs; null for none. */
  readonly code: string | null;
  /** True when the object is a manifest and the bytes lie in the files it names. */
  readonly manifest?: boolean;
}

/** The body of a published manifest. */
export interface OutputManifest {
  readonly format: 1 | typeof OUTPUT_FORMAT;
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

/** True for a path that stays below the directory it is joined to. */
export function isInside(name: string): boolean {
  return name.length > 0 && !name.includes('\0') && name.split('/').every((part) => !['', '.', '..'].includes(part));
}

/** Of outputs and manifests as they are written now. */
export const OUTPUT_FORMAT = 2;
/** The metadata's key that holds `OutputMeta` as ASCII JSON. */
export const META = 'batchctl';
/** More than this goes into a manifest: S3 takes 2,048 bytes of metadata in all (userguide/UsingMetadata). */
export const META_LIMIT = 1_900;
/** An output up to this many bytes is published in one put. */
export const DIRECT_LIMIT = 8 * 2 ** 20;
