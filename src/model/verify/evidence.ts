import type { JobInput } from '../job.ts';
import type { Overrides, TaskSets } from '../journal.ts';

/**
 * What a proof rests on, bounded however large the job is: what is long stands in it as a digest. All of it follows
 * from the lines of an evidence file (docs/proof.md), from which `verify --check` makes it again.
 * A root is `sha256:<hex>` over the digests of shards of 10,000 lines, each in hex with a newline.
 */
export interface Evidence {
  /** `sha256:<hex>` of the canonical JSON of job.json without its inputs. */
  readonly record: string;
  /** `sha256:<hex>` of the canonical JSON of the spec, parameters and period filled in. */
  readonly spec: string;
  /** SHA-256 of the uncompressed archive of the job's files; null when it has none. */
  readonly code: string | null;
  /** Digests of the images that steps run in, by step; null where no step runs in one. */
  readonly images: Readonly<Record<string, string>> | null;
  readonly submitted: { readonly who: string; readonly when: string; readonly host: string; readonly version: string };
  readonly inputs: {
    readonly count: number;
    readonly bytes: number;
    /** Null where the split didn't count. */
    readonly records: number | null;
    readonly root: string;
    /** The first hundred. */
    readonly listed: readonly InputEvidence[];
  };
  readonly parts: { readonly count: number; readonly root: string };
  readonly steps: readonly StepEvidence[];
  readonly gathers: readonly { readonly step: string; readonly took: number; readonly leftOut: string }[];
  /** The files that steps behind an `explode` took for their tasks. */
  readonly files: readonly { readonly step: string; readonly count: number; readonly root: string }[];
  readonly tolerance: ToleranceEvidence;
  /** Retries. */
  readonly rounds: readonly RoundEvidence[];
  readonly decisions: {
    readonly count: number;
    readonly root: string;
    /** The first two hundred. */
    readonly listed: readonly DecisionEvidence[];
  };
}

export interface InputEvidence {
  readonly name: string;
  readonly size: number;
  readonly checksum: string | null;
  /** Who read the bytes for the checksum: the submission, this verification (`--deep`), or nobody. */
  readonly checksumFrom: 'submit' | 'verify' | null;
  /** The version that was read: a file's inode, size and mtime, or an object's entity tag. */
  readonly source: JobInput['source'];
}

export interface StepEvidence {
  readonly name: string;
  /** Of its tasks' ends. */
  readonly root: string;
  readonly ends: number;
  /** Control totals of the outputs that count; exact decimals. */
  readonly outputs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly counters: Readonly<Record<string, string>>;
  /** How many outputs were made by which code, in which round. */
  readonly made: readonly MadeEvidence[];
  /** Whole sets of tasks: `0-4,17`. */
  readonly failed: string;
  readonly skipped: string;
}

export interface MadeEvidence {
  readonly round: number;
  readonly code: string | null;
  readonly outputs: number;
}

export interface ToleranceEvidence {
  /** As written: a count or a percentage. */
  readonly value: string;
  readonly who: string;
  readonly when: string;
  /** The journal entry that set it; null: the job file. */
  readonly entry: number | null;
}

export interface RoundEvidence {
  readonly round: number;
  readonly entry: number;
  readonly who: string;
  readonly when: string;
  /** What was asked for again. */
  readonly tasks: TaskSets;
  /** What was changed from then on. */
  readonly changed: Overrides;
}

export interface DecisionEvidence {
  readonly n: number;
  readonly what: string;
  readonly who: string;
  readonly when: string;
  /** `sha256:<hex>` of the entry's bytes. */
  readonly checksum: string;
}
