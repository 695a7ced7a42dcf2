import { isCount, isRecord, isText, type JsonObject, parseObject } from '../../lib/json.ts';
import type { Value } from '../answers/shapes.ts';
import type { EVIDENCE } from '../answers/verify.ts';
import type { JobInput, JobRecord } from '../job.ts';
import type { OutputMeta } from '../output.ts';
import { type FilePart, type Part, parsePart } from '../part.ts';

/**
 * The basis of a proof, bounded however large the job is: long lists are in it as digests. All of it follows from the
 * lines of an evidence file (docs/proof.md), from which `verify --check` computes it again. A root is `sha256:<hex>`
 * over the digests of shards of 10,000 lines, each in hex with a newline.
 */
export type Evidence = Value<typeof EVIDENCE>;
export type InputEvidence = Evidence['inputs']['listed'][number];
export type StepEvidence = Evidence['steps'][number];
export type MadeEvidence = StepEvidence['made'][number];
export type ToleranceEvidence = Evidence['tolerance'];
export type RoundEvidence = Evidence['rounds'][number];
export type DecisionEvidence = Evidence['decisions']['listed'][number];

/** The format of evidence files. */
export const EVIDENCE_FORMAT = 1;

/** The lines of an evidence file, in their order (docs/proof.md). One JSON document each. */
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
  readonly format: typeof EVIDENCE_FORMAT;
  readonly version: string;
  readonly job: string;
  readonly record: Omit<JobRecord, 'inputs'>;
  /** How many of the inputs are in job.json, if the job was extended since; absent: all. */
  readonly inputs?: number;
}

export interface InputLine extends Omit<InputEvidence, 'source'> {
  readonly line: 'input';
  readonly source: JobInput['source'];
  readonly n: number;
  readonly records: number | null;
  readonly compression: JobInput['compression'];
  readonly parts?: JobInput['parts'];
}

export interface DecisionLine {
  readonly line: 'decision';
  readonly n: number;
  readonly checksum: string;
  /** The journal entry, byte for byte. */
  readonly text: string;
}

type PartLine = { readonly line: 'part' } & Part;

export interface OpenedLine {
  readonly line: 'opened';
  readonly step: string;
  readonly id: string;
  readonly count: number;
  readonly leftOut: string;
}

export type EndLine = { readonly line: 'end'; readonly step: string; readonly n: number } & TaskEnd;

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
  | { readonly end: 'skipped' }
  /** Undecided when `onFailure: stop` took effect. */
  | { readonly end: 'givenUp' }
  /** No output and no final state: never in a proof that holds. */
  | { readonly end: 'missing' }
  /** Its object isn't the published one: never in a proof that holds. */
  | { readonly end: 'altered'; readonly problem: string };

interface PublishedEnd
  extends Pick<
    OutputMeta,
    'attempt' | 'number' | 'round' | 'code' | 'checksum' | 'inputChecksum' | 'bytesOut' | 'bytesIn' | 'counters'
  > {
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
  /** Its key in the store; null for one that failed, which isn't stored. */
  readonly key: string | null;
  /** `sha256:<hex>` of the stored proof's bytes: the next proof names it as `previous`. */
  readonly checksum: string;
  readonly proof: unknown;
}

/** The last line. */
interface SealLine {
  readonly line: 'seal';
  /** The number of lines before this one, and the SHA-256 (hex) of their bytes. */
  readonly lines: number;
  readonly sha256: string;
}

export function inputLine(
  n: number,
  { name, size, source, records, compression, checksum, parts }: JobInput,
  found: string | null,
): InputLine {
  const checksumFrom = checksum !== null ? 'submit' : found !== null ? 'verify' : null;
  const line = { line: 'input', n, name, size, checksum: checksum ?? found, checksumFrom, source } as const;
  return { ...line, records, compression, ...(parts !== undefined && { parts }) };
}

export function publishedEnd(step: string, n: number, meta: OutputMeta, late: boolean): EndLine {
  const { attempt, number, round, code, checksum, inputChecksum, bytesOut, bytesIn, counters } = meta;
  const from = inputChecksum === undefined ? {} : { inputChecksum };
  const end = { attempt, number, round, code, checksum, ...from, bytesOut, bytesIn, counters };
  return { line: 'end', step, n, end: 'published', ...end, ...(late && { late }) };
}

/** Parses a line of an evidence file; null if it isn't one. */
export function parseLine(text: string): EvidenceLine | null {
  const value = parseObject(text);
  return value !== null && isLine(value, text) ? value : null;
}

function isLine(value: JsonObject, text: string): value is JsonObject & EvidenceLine {
  switch (value.line) {
    case 'evidence':
      return (
        value.format === EVIDENCE_FORMAT &&
        isText(value.job) &&
        isText(value.version) &&
        isJobRecord(value.record) &&
        (value.inputs === undefined || isCount(value.inputs)) &&
        value.record.job === value.job
      );
    case 'input':
      return isCount(value.n) && isText(value.name) && isCount(value.size) && isRecord(value.source);
    case 'decision':
      return isCount(value.n) && isText(value.checksum) && isText(value.text);
    case 'part':
      return parsePart(text) !== null;
    case 'opened':
      return isText(value.step) && isText(value.id) && isSize(value.count) && isText(value.leftOut);
    case 'end':
      return isText(value.step) && isCount(value.n) && isEnd(value);
    case 'file':
      return (
        isCount(value.n) && isText(value.from) && [value.step, value.key, value.name, value.checksum].every(isText)
      );
    case 'shard':
      return isText(value.of) && isCount(value.shard) && isCount(value.lines) && isText(value.sha256);
    case 'proof':
      return (value.key === null || isText(value.key)) && isText(value.checksum) && isRecord(value.proof);
    case 'seal':
      return isCount(value.lines) && isText(value.sha256);
    default:
      return false;
  }
}

function isEnd(value: JsonObject): boolean {
  switch (value.end) {
    case 'published':
      return isCodeOrNull(value.code) && isRecord(value.counters) && Object.values(value.counters).every(isText);
    case 'failed':
      return isCount(value.round);
    case 'altered':
      return isText(value.problem);
    default:
      return value.end === 'skipped' || value.end === 'givenUp' || value.end === 'missing';
  }
}

/** The fields of job.json that every check needs. */
function isJobRecord(value: unknown): value is JsonObject {
  if (!isRecord(value) || !isRecord(value.spec) || !isText(value.job) || !isSize(value.parts)) return false;
  const { steps, expect, tolerate } = value.spec;
  return Array.isArray(steps) && steps.every(isStep) && Array.isArray(expect) && isRecord(tolerate);
}

const isStep = (value: unknown): boolean => isRecord(value) && isText(value.name);

const isCodeOrNull = (value: unknown): boolean => value === null || isText(value);

/** Tasks have nine-digit numbers: a larger claim would take days to count. */
const isSize = (value: unknown): boolean => isCount(value) && value < 1e9;
