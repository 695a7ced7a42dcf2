import { createHash, type Hash } from 'node:crypto';
import { canonicalJson } from '../../lib/json.ts';
import type { Extent, JobRecord } from '../../model/job.ts';
import type { JournalEntry } from '../../model/journal.ts';
import { PARTS_PER_SHARD } from '../../model/part.ts';
import { TaskSetWriter } from '../../model/task-set.ts';
import type {
  DecisionEvidence,
  DecisionLine,
  EndLine,
  Evidence,
  FileLine,
  InputEvidence,
  InputLine,
  MadeEvidence,
  OpenedLine,
  ShardLine,
  StepEvidence,
} from '../../model/verify/evidence.ts';
import { roundsOf, toleranceOf } from '../../model/verify/verify-result.ts';
import type { JobView } from '../../model/view.ts';
import type { StepTotals } from '../totals.ts';

/**
 * A digest of numbered lines in two levels, in constant memory: SHA-256 over each shard of 10,000 numbers, and a root
 * over the shards' digests. If two roots differ, the shards show where.
 */
export class RootDigest {
  readonly #of: string;
  readonly #onShard: (shard: ShardLine) => void;
  readonly #root = createHash('sha256');
  #hash: Hash | null = null;
  #shard = 0;
  #inShard = 0;
  #lines = 0;

  /** `tell` is called with each finished shard; `of` names what the lines describe. */
  constructor(of: string, onShard: (shard: ShardLine) => void) {
    this.#of = of;
    this.#onShard = onShard;
  }

  get lines(): number {
    return this.#lines;
  }

  /** Adds the next line: its number, and its text without the newline. Reports a shard that ends before it first. */
  add(n: number, text: string): void {
    const shard = Math.floor(n / PARTS_PER_SHARD);
    if (shard !== this.#shard) this.#end();
    this.#shard = shard;
    this.#hash ??= createHash('sha256');
    this.#hash.update(`${text}\n`);
    this.#inShard += 1;
    this.#lines += 1;
  }

  /** The root of the lines so far. */
  soFar(): string {
    const root = this.#root.copy();
    if (this.#hash !== null) root.update(`${this.#hash.copy().digest('hex')}\n`);
    return `sha256:${root.digest('hex')}`;
  }

  /** Ends the last shard. Returns the root, `sha256:<hex>`. */
  finish(): string {
    this.#end();
    return `sha256:${this.#root.digest('hex')}`;
  }

  #end(): void {
    if (this.#hash === null) return;
    const sha256 = this.#hash.digest('hex');
    this.#root.update(`${sha256}\n`);
    this.#onShard({ line: 'shard', of: this.#of, shard: this.#shard, lines: this.#inShard, sha256 });
    this.#hash = null;
    this.#inShard = 0;
  }
}

/** Sums up the ends of one step's tasks, received in the order of their numbers. */
class StepEnds {
  readonly #name: string;
  readonly #root: RootDigest;
  readonly #made = new Map<string, { readonly round: number; readonly code: string | null; outputs: number }>();
  readonly #failed = new TaskSetWriter();
  readonly #skipped = new TaskSetWriter();

  constructor(name: string, onShard: (shard: ShardLine) => void) {
    this.#name = name;
    this.#root = new RootDigest(`ends of ${name}`, onShard);
  }

  add(line: EndLine, text: string): void {
    this.#root.add(line.n, text);
    if (line.end === 'published') this.#countMade(line.round, line.code);
    else if (line.end === 'failed' || line.end === 'givenUp') this.#failed.add(line.n);
    else if (line.end === 'skipped') this.#skipped.add(line.n);
  }

  /** `totals` are those of the counted outputs. */
  finish({ outputs, bytesIn, bytesOut, counters }: StepTotals): StepEvidence {
    const made = [...this.#made.values()].sort(
      (a, b) => a.round - b.round || ((a.code ?? '') < (b.code ?? '') ? -1 : 1),
    );
    return {
      name: this.#name,
      root: this.#root.finish(),
      ends: this.#root.lines,
      outputs,
      bytesIn,
      bytesOut,
      counters,
      made: made.map((of): MadeEvidence => ({ ...of })),
      failed: String(this.#failed),
      skipped: String(this.#skipped),
    };
  }

  #countMade(round: number, code: string | null): void {
    const key = `${round} ${code ?? ''}`;
    const made = this.#made.get(key);
    if (made === undefined) this.#made.set(key, { round, code, outputs: 1 });
    else made.outputs += 1;
  }
}

/** The number of inputs and decisions listed in a proof; the roots cover all of them. */
const INPUTS_LISTED = 100;
const DECISIONS_LISTED = 200;

type InputsBefore = Omit<Evidence['inputs'], 'records'>;

/** Computes a proof's evidence in constant memory. `verify` feeds it from the store, `verify --check` from a file. */
export class EvidenceSum {
  readonly #onShard: (shard: ShardLine) => void;
  readonly #inputs: RootDigest;
  readonly #decisions: RootDigest;
  readonly #parts: RootDigest;
  readonly #listedInputs: InputEvidence[] = [];
  readonly #listedDecisions: DecisionEvidence[] = [];
  readonly #entries: JournalEntry[] = [];
  readonly #gathers: Evidence['gathers'][number][] = [];
  readonly #steps: StepEvidence[] = [];
  readonly #roots = { inputs: '', decisions: '', parts: '' };
  /** What was there before each extension. */
  readonly #before: readonly { readonly extent: Extent; inputs?: InputsBefore; parts?: Evidence['parts'] }[];
  #inputBytes = 0;
  #step: StepEnds | null = null;
  readonly #files: Evidence['files'][number][] = [];
  #exploded: { readonly step: string; readonly root: RootDigest } | null = null;

  /** `onShard` is called with the digest of each finished shard. */
  constructor(onShard: (shard: ShardLine) => void, extents: readonly Extent[] = []) {
    this.#before = extents.map((extent) => ({ extent }));
    this.#onShard = onShard;
    this.#inputs = new RootDigest('inputs', onShard);
    this.#decisions = new RootDigest('decisions', onShard);
    this.#parts = new RootDigest('parts', onShard);
  }

  get entries(): readonly JournalEntry[] {
    return this.#entries;
  }

  input({ n, name, size, checksum, checksumFrom, source }: InputLine, text: string): void {
    this.#markInputs();
    this.#inputs.add(n, text);
    this.#inputBytes += size;
    if (this.#listedInputs.length < INPUTS_LISTED)
      this.#listedInputs.push({ name, size, checksum, checksumFrom, source });
  }

  endInputs(): void {
    this.#markInputs();
    this.#roots.inputs = this.#inputs.finish();
  }

  decision({ n, checksum }: DecisionLine, entry: JournalEntry, text: string): void {
    this.#decisions.add(n, text);
    this.#entries.push(entry);
    const { what, who, when } = entry;
    if (this.#listedDecisions.length < DECISIONS_LISTED) this.#listedDecisions.push({ n, what, who, when, checksum });
  }

  endDecisions(): void {
    this.#roots.decisions = this.#decisions.finish();
  }

  part(n: number, text: string): void {
    for (const before of this.#before)
      if (before.extent.first === this.#parts.lines)
        before.parts = { count: this.#parts.lines, root: this.#parts.soFar() };
    this.#parts.add(n, text);
  }

  /** The inputs and parts that the job had before an extension; null if they were not all seen. */
  before({ name }: Extent): { readonly inputs: InputsBefore; readonly parts: Evidence['parts'] } | null {
    const { inputs, parts } = this.#before.find(({ extent }) => extent.name === name) ?? {};
    return inputs === undefined || parts === undefined ? null : { inputs, parts };
  }

  #markInputs(): void {
    const count = this.#inputs.lines;
    for (const before of this.#before)
      if (before.extent.firstInput === count && before.inputs === undefined)
        before.inputs = {
          count,
          bytes: this.#inputBytes,
          root: this.#inputs.soFar(),
          listed: this.#listedInputs.slice(),
        };
  }

  endParts(): void {
    this.#roots.parts = this.#parts.finish();
  }

  opened({ step, count, leftOut }: OpenedLine): void {
    this.#gathers.push({ step, took: count, leftOut });
  }

  beginStep(name: string): void {
    this.#step = new StepEnds(name, this.#onShard);
  }

  end(line: EndLine, text: string): void {
    this.#step?.add(line, text);
  }

  endStep(totals: StepTotals): void {
    if (this.#step !== null) this.#steps.push(this.#step.finish(totals));
    this.#step = null;
  }

  /** The file assigned to a task of the step after an `explode`; steps follow one another. */
  file({ step, n }: FileLine, text: string): void {
    if (this.#exploded?.step !== step) this.endFiles();
    this.#exploded ??= { step, root: new RootDigest(`files of ${step}`, this.#onShard) };
    this.#exploded.root.add(n, text);
  }

  endFiles(): void {
    if (this.#exploded === null) return;
    const { step, root } = this.#exploded;
    this.#files.push({ step, root: root.finish(), count: root.lines });
    this.#exploded = null;
  }

  /** The evidence of all lines. */
  finish({ accepted, record }: Pick<JobView, 'accepted' | 'record'>): Evidence {
    const { createdBy: who, createdAt: when, host, version } = accepted;
    return {
      record: recordEvidence(accepted),
      spec: canonicalDigest(accepted.spec),
      code: accepted.code,
      images: null,
      submitted: { who, when, host, version },
      inputs: {
        count: this.#inputs.lines,
        bytes: this.#inputBytes,
        records: record.records,
        root: this.#roots.inputs,
        listed: this.#listedInputs,
      },
      parts: { count: this.#parts.lines, root: this.#roots.parts },
      steps: this.#steps,
      gathers: this.#gathers,
      files: this.#files,
      tolerance: toleranceOf(accepted, this.#entries),
      rounds: roundsOf(this.#entries),
      decisions: { count: this.#decisions.lines, root: this.#roots.decisions, listed: this.#listedDecisions },
    };
  }
}

/** The evidence of job.json: a digest of everything except its inputs, which have their own lines. */
export function recordEvidence({ inputs: _, ...record }: JobRecord): string {
  return canonicalDigest(record);
}

function canonicalDigest(value: unknown): string {
  return `sha256:${createHash('sha256').update(canonicalJson(value)).digest('hex')}`;
}
