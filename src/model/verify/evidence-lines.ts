import type { JobInput, JobRecord } from '../job.ts';
import type { OutputMeta } from '../output.ts';
import type { FilePart, Part } from '../part.ts';
import type { InputEvidence } from './evidence.ts';

/** The lines of an evidence file, in the order in which they stand there (docs/proof.md). One JSON document each. */
export type EvidenceLine =
  | HeaderLine
  | InputLine
  | DecisionLine
  | PartLine
  | OpenedLine
  | EndLine
  | FileLine
  | ShardLine
  | ProofLine
  | SealLine;

export interface HeaderLine {
  readonly line: 'evidence';
  readonly format: 1;
  /** batchctl's version, which wrote the file. */
  readonly version: string;
  readonly job: string;
  readonly record: Omit<JobRecord, 'inputs'>;
}

export interface InputLine extends InputEvidence {
  readonly line: 'input';
  readonly n: number;
  readonly records: number | null;
  readonly compression: JobInput['compression'];
}

export interface DecisionLine {
  readonly line: 'decision';
  readonly n: number;
  readonly checksum: string;
  /** The journal entry, byte for byte. */
  readonly text: string;
}

export type PartLine = { readonly line: 'part' } & Part;

export interface OpenedLine {
  readonly line: 'opened';
  readonly step: string;
  readonly id: string;
  readonly count: number;
  readonly leftOut: string;
}

export type EndLine = { readonly line: 'end'; readonly step: string; readonly n: number } & TaskEnd;

/** What became of a task. */
export type TaskEnd =
  | ({ readonly end: 'published' } & PublishedEnd)
  | {
      readonly end: 'failed';
      readonly round: number;
      readonly attempt: string | null;
      readonly reason: string | null;
      readonly exitCode: number | null;
      readonly error: string | null;
    }
  /** A person went without it. */
  | { readonly end: 'skipped' }
  /** Undecided when `onFailure: stop` fired. */
  | { readonly end: 'givenUp' }
  /** Neither an output nor an end: never in a proof that holds. */
  | { readonly end: 'missing' }
  /** Its object isn't what was published: never in a proof that holds. */
  | { readonly end: 'altered'; readonly problem: string };

export interface PublishedEnd
  extends Pick<OutputMeta, 'attempt' | 'number' | 'round' | 'code' | 'checksum' | 'bytesOut' | 'bytesIn' | 'counters'> {
  /** It came after its gather had been opened without it: kept, never used. */
  readonly late?: true;
}

/** A task of a step behind an `explode`: the file that is its part. */
export type FileLine = { readonly line: 'file'; readonly step: string } & FilePart;

/** After the lines of a shard: the SHA-256 (hex) of those lines, each with its newline. */
export interface ShardLine {
  readonly line: 'shard';
  /** `inputs`, `decisions`, `parts`, `ends of STEP` or `files of STEP`. */
  readonly of: string;
  readonly shard: number;
  readonly lines: number;
  readonly sha256: string;
}

export interface ProofLine {
  readonly line: 'proof';
  /** Where the store keeps it; null for one that failed, which is kept nowhere. */
  readonly key: string | null;
  /** `sha256:<hex>` of the stored proof's bytes: what the next proof names as `previous`. */
  readonly checksum: string;
  readonly proof: unknown;
}

/** The last line. */
export interface SealLine {
  readonly line: 'seal';
  /** Lines before this one, and the SHA-256 (hex) of their bytes. */
  readonly lines: number;
  readonly sha256: string;
}

/** What an evidence file says of an input. */
export function inputLine(
  n: number,
  { name, size, source, records, compression, checksum }: JobInput,
  found: string | null,
): InputLine {
  const checksumFrom = checksum !== null ? 'submit' : found !== null ? 'verify' : null;
  return { line: 'input', n, name, size, checksum: checksum ?? found, checksumFrom, source, records, compression };
}

/** What an evidence file says of an output. */
export function publishedEnd(step: string, n: number, meta: OutputMeta, late: boolean): EndLine {
  const { attempt, number, round, code, checksum, bytesOut, bytesIn, counters } = meta;
  const end = { attempt, number, round, code, checksum, bytesOut, bytesIn, counters };
  return { line: 'end', step, n, end: 'published', ...end, ...(late && { late }) };
}
