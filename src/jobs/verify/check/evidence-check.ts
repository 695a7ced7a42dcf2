import { bytesChecksum } from '../../../lib/file-checksum.ts';
import { canonicalJson, requireKnownFormat } from '../../../lib/json.ts';
import { emptyView, foldJournal } from '../../../model/fold.ts';
import { hasBarrier, JOB_FORMAT, type JobInput, type JobRecord, stepIndex, takesFiles } from '../../../model/job.ts';
import type { JournalEntry } from '../../../model/journal.ts';
import { requireReleased } from '../../../model/needs.ts';
import { partSize } from '../../../model/part.ts';
import type {
  DecisionLine,
  EndLine,
  EvidenceLine,
  FileLine,
  HeaderLine,
  InputLine,
  ShardLine,
} from '../../../model/verify/evidence.ts';
import type { LocatedFindings } from '../../../model/verify/findings.ts';
import { PartsCheck } from '../../../model/verify/parts-check.ts';
import { TaskColumn } from '../../../model/verify/task-column.ts';
import type { JobView, OpenedGather } from '../../../model/view.ts';
import { stdinText } from '../../split/stage-part.ts';
import { AddedPartsCheck } from '../added-parts.ts';
import { EvidenceSum } from '../evidence-sum.ts';
import { otherInputText } from '../input-links.ts';
import { attemptPlaces, inputLinks } from '../verify-context.ts';
import { EndsCheck, type EndsContext } from './ends-check.ts';
import { type FilesCheck, filesChecks } from './files-check.ts';
import { checkRecord, DecisionsCheck, InputsCheck, type Say } from './record-check.ts';

/**
 * Processes an evidence file's lines in order and repeats what `verify` did with the store: the digests, the parts
 * against the inputs, the journal, the ends of all tasks, the sums. Memory is one bit per task. Any inconsistency is a
 * finding, and so is a line in the wrong place.
 */
export class EvidenceCheck {
  readonly #findings: LocatedFindings;
  readonly #shards: ShardCheck;
  readonly #sum: EvidenceSum;
  readonly #say: Say;
  readonly #inputs: JobInput[] = [];
  readonly #inputsCheck: InputsCheck;
  #decisions: DecisionsCheck | null = null;
  /** The bytes that the task of each part gets. */
  readonly #partBytes = new TaskColumn();
  #phase = -1;
  #header: HeaderLine | null = null;
  #record: JobRecord | null = null;
  #view: JobView | null = null;
  #parts: PartsCheck | null = null;
  #added: AddedPartsCheck | null = null;
  #partLines = 0;
  #opened: (OpenedGather | null)[] = [];
  #ctx: EndsContext | null = null;
  #ends: EndsCheck[] = [];
  #files: readonly (FilesCheck | null)[] = [];

  constructor(findings: LocatedFindings) {
    this.#findings = findings;
    this.#say = (rule, message) => findings.add(rule, message);
    this.#inputsCheck = new InputsCheck(this.#say);
    this.#shards = new ShardCheck(findings);
    this.#sum = new EvidenceSum((shard) => this.#shards.addComputed(shard));
  }

  take(line: BodyLine, text: string, number: number): void {
    if (line.line === 'shard') {
      this.#shards.addListed(line, number);
      return;
    }
    const phase = ORDER.indexOf(line.line);
    if (phase < this.#phase || (phase === 0 && this.#header !== null)) {
      this.#findings.add('order', `this ${line.line} is out of order`);
      return;
    }
    if (line.line === 'evidence') {
      requireKnownFormat('job.json in this file', line.record, JOB_FORMAT);
      requireReleased('job.json in this file', String(line.record.version));
      this.#header = line;
    }
    if (this.#header === null) {
      this.#findings.add('order', `a ${line.line} precedes the file's first line`);
      return;
    }
    while (this.#phase < phase) this.#endPhase();
    this.#takeBody(line, text);
  }

  /** Called after the last line. Returns null if the lines don't even show which job it is. */
  finish(): ClaimedState | null {
    if (this.#header === null) return null;
    while (this.#phase < ORDER.length) this.#endPhase();
    this.#shards.finish();
    const [view, parts] = [this.#view, this.#parts];
    if (view === null || parts === null) return null;
    const scanned = { parts: this.#partLines, inputs: parts.inputs, bytes: parts.bytes };
    const { verified, unread } = this.#inputsCheck;
    const decided = this.#decisions?.last ?? 0;
    return { view, sum: this.#sum, scanned, ends: this.#ends, verified, unread, decided };
  }

  #takeBody(line: Exclude<BodyLine, { readonly line: 'shard' }>, text: string): void {
    switch (line.line) {
      case 'evidence':
        return;
      case 'input':
        this.#input(line, text);
        return;
      case 'decision':
        this.#decision(line, text);
        return;
      case 'part': {
        const { line: _, ...part } = line;
        this.#partLines += 1;
        this.#parts?.add(part);
        this.#added?.take(part);
        const stdin = stdinText(part);
        this.#partBytes.set(part.n, stdin === null ? partSize(part, this.#inputs) : Buffer.byteLength(stdin));
        this.#sum.part(part.n, text);
        return;
      }
      case 'opened': {
        const { steps } = this.#view?.record.spec ?? { steps: [] };
        const index = steps.findIndex(({ name }) => name === line.step);
        if (!hasBarrier(steps, index) || this.#opened.length > index) {
          this.#say('opened', `${line.step} is not a step that waits, was already opened, or is out of order`);
          return;
        }
        this.#opened[index] = { format: 1, id: line.id, count: line.count, leftOut: line.leftOut };
        this.#sum.opened(line);
        return;
      }
      case 'end':
        this.#end(line, text);
        return;
      case 'file':
        this.#file(line, text);
        return;
      default:
        line satisfies never;
    }
  }

  #endPhase(): void {
    const phase = ORDER[this.#phase];
    this.#phase += 1;
    if (phase === 'input') {
      this.#sum.endInputs();
      if (this.#header === null) return;
      this.#record = { ...this.#header.record, inputs: this.#inputs.slice(0, this.#header.inputs) };
      checkRecord(this.#record, (rule, message) => this.#findings.addUnlocated(rule, message));
      this.#decisions = new DecisionsCheck(this.#record, this.#say);
    } else if (phase === 'decision') {
      this.#sum.endDecisions();
      if (this.#record === null) return;
      this.#view = foldJournal(emptyView(this.#record), this.#sum.entries);
      this.#checkAddedInputs(this.#view);
      this.#parts = new PartsCheck(this.#view, this.#findings);
      this.#added = new AddedPartsCheck(this.#view.record, this.#findings);
    } else if (phase === 'part') {
      this.#sum.endParts();
      this.#parts?.finish();
      this.#added?.finish();
    } else if (phase === 'opened') this.#beginEnds();
    else if (phase === 'end') this.#endEnds();
    else if (phase === 'file') this.#endFiles();
  }

  /** The inputs that the job was extended by are in its decisions, too. */
  #checkAddedInputs({ accepted, record }: JobView): void {
    const from = accepted.inputs.length;
    const lines = this.#inputs;
    const other = record.inputs.findIndex(
      (input, n) => n >= from && canonicalJson(input) !== canonicalJson(lines[n] ?? null),
    );
    if (other >= 0 || record.inputs.length !== this.#inputs.length)
      this.#findings.addUnlocated(
        'inputs',
        other >= 0
          ? `input ${other} differs from the decision that added it`
          : `there are ${this.#inputs.length} inputs, but the decisions make ${record.inputs.length}`,
      );
  }

  #input(line: InputLine, text: string): void {
    const { n, name, size, source, checksum, checksumFrom, records, compression, parts } = line;
    if (n !== this.#inputs.length) this.#findings.add('inputs', `expected input ${this.#inputs.length}, found ${n}`);
    const accepted = checksumFrom === 'submit' ? checksum : null;
    const empty = parts === undefined ? {} : { parts };
    this.#inputs.push({ name, size, source, checksum: accepted, records, compression, ...empty });
    this.#inputsCheck.add(line, n >= (this.#header?.inputs ?? Number.POSITIVE_INFINITY));
    this.#sum.input(line, text);
  }

  #decision(line: DecisionLine, text: string): void {
    const expected = this.#sum.entries.length;
    if (line.n !== expected) this.#findings.add('decisions', `expected decision ${expected}, found ${line.n}`);
    if (bytesChecksum(new TextEncoder().encode(line.text)) !== line.checksum)
      this.#findings.add('decisions', `decision ${line.n} does not match its checksum`);
    const entry = JSON.parse(line.text) as JournalEntry;
    requireKnownFormat(`decision ${line.n} in this file`, entry, JOB_FORMAT);
    this.#sum.decision(line, entry, text);
    this.#decisions?.add(line.n, entry);
  }

  #beginEnds(): void {
    const view = this.#view;
    if (view === null) return;
    const { steps } = view.record.spec;
    const opened = steps.map((_, index) => this.#opened[index] ?? null);
    const exploded = new Map(view.exploded);
    for (const [index, found] of opened.entries())
      if (found !== null && takesFiles(steps, index)) exploded.set(index, found.count);
    this.#view = { ...view, exploded };
    const [attempts, links] = [attemptPlaces(this.#view), inputLinks(this.#view, opened)];
    this.#ctx = { view: this.#view, opened, attempts, links, partBytes: this.#partBytes, say: this.#say };
    this.#opened = opened;
    this.#nextStep();
  }

  #end(line: EndLine, text: string): void {
    const view = this.#view;
    if (view === null) return;
    const index = stepIndex(view.record.spec, line.step);
    if (index < this.#ends.length - 1) {
      this.#findings.add('order', `step ${line.step} is out of order`);
      return;
    }
    while (this.#ends.length - 1 < index) this.#nextStep();
    this.#ends.at(-1)?.take(line);
    this.#sum.end(line, text);
  }

  #file(line: FileLine, text: string): void {
    const check = this.#view === null ? null : this.#files[stepIndex(this.#view.record.spec, line.step)];
    if (check === null || check === undefined) this.#say('files', `step ${line.step} took no files`);
    check?.take(line);
    this.#checkTaker(line);
    this.#sum.file(line, text);
  }

  /** Compares a file with what the task that took it was made from. */
  #checkTaker({ step, n, checksum, name, from }: FileLine): void {
    const view = this.#view;
    if (view === null) return;
    const { spec } = view.record;
    const other = this.#ctx?.links.addFile(stepIndex(spec, step), n, { checksum, input: `${name} of ${from}` }) ?? null;
    if (other !== null) this.#say('otherFile', otherInputText(spec.steps, other));
  }

  #endEnds(): void {
    while (this.#ends.length > 0 && this.#nextStep());
    if (this.#view === null) return;
    this.#files = filesChecks(this.#view, this.#opened, this.#ends, this.#say);
  }

  #endFiles(): void {
    this.#sum.endFiles();
    for (const check of this.#files) check?.finish();
  }

  /** Ends a step and begins the next one; false if there is none. */
  #nextStep(): boolean {
    const ctx = this.#ctx;
    const current = this.#ends.at(-1) ?? null;
    if (current !== null) this.#sum.endStep(current.totals);
    const name = ctx?.view.record.spec.steps[this.#ends.length]?.name;
    if (ctx === null || name === undefined) return false;
    this.#ends.push(new EndsCheck(ctx, this.#ends.length, current));
    this.#sum.beginStep(name);
    return true;
  }
}

/** The kinds of lines before the proof, in file order. */
const ORDER = ['evidence', 'input', 'decision', 'part', 'opened', 'end', 'file'] as const;

type BodyLine = Exclude<EvidenceLine, { readonly line: 'proof' | 'seal' }>;

export interface ClaimedState {
  readonly view: JobView;
  readonly sum: EvidenceSum;
  readonly scanned: { readonly parts: number; readonly inputs: number; readonly bytes: number };
  readonly ends: readonly EndsCheck[];
  /** An input whose checksum a deep verification computed, and one without a checksum. */
  readonly verified: string | null;
  readonly unread: string | null;
  /** When the last decision was made, milliseconds since the epoch. */
  readonly decided: number;
}

/** Compares the shards listed in a file with those computed from its lines: both are in the same order. */
class ShardCheck {
  readonly #findings: LocatedFindings;
  #listed: { readonly line: ShardLine; readonly number: number }[] = [];
  #from = 1;

  constructor(findings: LocatedFindings) {
    this.#findings = findings;
  }

  /** Takes a shard as listed in the file, and its line number. */
  addListed(line: ShardLine, number: number): void {
    this.#listed.push({ line, number });
  }

  /** Takes a shard computed from the lines before. */
  addComputed(made: ShardLine): void {
    const next = this.#listed.shift();
    if (next === undefined) {
      this.#findings.addUnlocated('shard', `the digest of shard ${made.shard} of ${made.of} is missing`);
      return;
    }
    const { line, number } = next;
    const same = line.of === made.of && line.shard === made.shard;
    if (!same || line.lines !== made.lines || line.sha256 !== made.sha256) {
      this.#findings.addUnlocated(
        'shard',
        `lines ${Math.max(this.#from, number - made.lines)} to ${number - 1}, shard ${made.shard} of ${made.of}, ` +
          'do not match its digest',
      );
    }
    this.#from = number + 1;
  }

  /** Called after the last shard. */
  finish(): void {
    for (const { line } of this.#listed)
      this.#findings.addUnlocated('shard', `there is a digest of shard ${line.shard} of ${line.of}, but no line of it`);
  }
}
