import { bytesChecksum } from '../../../lib/file-checksum.ts';
import type { OpenedGather } from '../../../model/decide.ts';
import { type JobInput, type JobRecord, stepIndex, takesFiles } from '../../../model/job.ts';
import type { JournalEntry } from '../../../model/journal.ts';
import { stagedTaskPrefix } from '../../../model/keys.ts';
import { TaskBits, tasksIn } from '../../../model/task-set.ts';
import type { AttemptPlaces } from '../../../model/verify/attempt-places.ts';
import type {
  DecisionLine,
  EndLine,
  EvidenceLine,
  FileLine,
  HeaderLine,
  InputLine,
  ShardLine,
} from '../../../model/verify/evidence.ts';
import type { Findings, LocatedFindings } from '../../../model/verify/findings.ts';
import { PartsCheck } from '../../../model/verify/parts-check.ts';
import { emptyView, foldJournal, type JobView } from '../../../model/view.ts';
import { EvidenceSum } from '../evidence-sum.ts';
import { type InputLinks, otherInputText } from '../input-links.ts';
import { attemptPlaces, inputLinks } from '../verify-context.ts';
import { EndsCheck } from './ends-check.ts';

/**
 * Processes an evidence file's lines in order and repeats what `verify` did with the store: the digests, the parts
 * against the inputs, the journal, the ends of all tasks, the sums. Memory is one bit per task. Any inconsistency is a
 * finding, and so is a line in the wrong place.
 */
export class EvidenceCheck {
  readonly #findings: LocatedFindings;
  readonly #shards: ShardCheck;
  readonly #sum: EvidenceSum;
  readonly #inputs: JobInput[] = [];
  #phase = -1;
  #header: HeaderLine | null = null;
  #record: JobRecord | null = null;
  #view: JobView | null = null;
  #parts: PartsCheck | null = null;
  #partLines = 0;
  #opened: (OpenedGather | null)[] = [];
  #attempts: AttemptPlaces | null = null;
  #links: InputLinks | null = null;
  #ends: EndsCheck[] = [];
  #files: readonly (FilesCheck | null)[] = [];

  constructor(findings: LocatedFindings) {
    this.#findings = findings;
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
    if (line.line === 'evidence') this.#header = line;
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
    return { view, sum: this.#sum, scanned, ends: this.#ends };
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
        this.#sum.part(part.n, text);
        return;
      }
      case 'opened': {
        const index = this.#view === null ? -1 : stepIndex(this.#view.record.spec, line.step);
        if (index < 0 || this.#opened[index] !== undefined) {
          this.#findings.add('opened', `${line.step} is not a step, or was already opened`);
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
      if (this.#header !== null) this.#record = { ...this.#header.record, inputs: this.#inputs };
    } else if (phase === 'decision') {
      this.#sum.endDecisions();
      if (this.#record === null) return;
      this.#view = foldJournal(emptyView(this.#record), this.#sum.entries);
      this.#parts = new PartsCheck(this.#record, this.#findings);
    } else if (phase === 'part') {
      this.#sum.endParts();
      this.#parts?.finish();
    } else if (phase === 'opened') this.#beginEnds();
    else if (phase === 'end') this.#endEnds();
    else if (phase === 'file') this.#endFiles();
  }

  #input({ n, name, size, source, records, compression }: InputLine, text: string): void {
    if (n !== this.#inputs.length) this.#findings.add('inputs', `expected input ${this.#inputs.length}, found ${n}`);
    this.#inputs.push({ name, size, source, checksum: null, records, compression });
    this.#sum.input(JSON.parse(text) as InputLine, text);
  }

  #decision(line: DecisionLine, text: string): void {
    const expected = this.#sum.entries.length;
    if (line.n !== expected) this.#findings.add('decisions', `expected decision ${expected}, found ${line.n}`);
    if (bytesChecksum(new TextEncoder().encode(line.text)) !== line.checksum)
      this.#findings.add('decisions', `decision ${line.n} does not match its checksum`);
    this.#sum.decision(line, JSON.parse(line.text) as JournalEntry, text);
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
    this.#attempts = attemptPlaces(this.#view);
    this.#links = inputLinks(this.#view, opened);
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
    if (check === null || check === undefined) this.#findings.add('files', `step ${line.step} took no files`);
    check?.take(line);
    this.#checkTaker(line);
    this.#sum.file(line, text);
  }

  /** Compares a file with what the task that took it was made from. */
  #checkTaker({ step, n, checksum, name, from }: FileLine): void {
    const view = this.#view;
    if (view === null) return;
    const { spec } = view.record;
    const other = this.#links?.addFile(stepIndex(spec, step), n, { checksum, input: `${name} of ${from}` }) ?? null;
    if (other !== null) this.#findings.add('otherFile', otherInputText(spec.steps, other));
  }

  #endEnds(): void {
    while (this.#ends.length > 0 && this.#nextStep());
    if (this.#view === null) return;
    const published = this.#ends.map(({ facts }) => facts.published);
    this.#files = filesChecks(this.#view, this.#opened, published, this.#findings);
  }

  #endFiles(): void {
    this.#sum.endFiles();
    for (const check of this.#files) check?.finish();
  }

  /** Ends a step and begins the next one; false if there is none. */
  #nextStep(): boolean {
    const view = this.#view;
    const current = this.#ends.at(-1);
    if (current !== undefined) this.#sum.endStep(current.totals);
    const name = view?.record.spec.steps[this.#ends.length]?.name;
    const [attempts, links] = [this.#attempts, this.#links];
    if (view === null || attempts === null || links === null || name === undefined) return false;
    this.#ends.push(new EndsCheck(view, this.#ends.length, this.#opened, { attempts, links }, this.#findings));
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
}

/** Checks the files that one step took for its tasks, as the evidence lists them: each once, from published outputs. */
class FilesCheck {
  readonly #job: string;
  readonly #step: string;
  /** The step before, which made the files. */
  readonly #from: string;
  readonly #count: number;
  readonly #published: TaskBits;
  readonly #leftOut: TaskBits;
  readonly #findings: Findings;
  #next = 0;
  #maker = 0;

  /** `published`: the published tasks of the step before. */
  constructor(view: JobView, index: number, opened: OpenedGather, published: TaskBits, findings: Findings) {
    const { steps } = view.record.spec;
    this.#job = view.record.job;
    this.#step = steps[index]?.name ?? '';
    this.#from = steps[index - 1]?.name ?? '';
    this.#count = opened.count;
    this.#published = published;
    this.#leftOut = new TaskBits(published.size, tasksIn(opened.leftOut));
    this.#findings = findings;
  }

  take({ n, from, key }: FileLine): void {
    if (n !== this.#next) this.#say(`expected file ${this.#next} of ${this.#step}, found ${n}`);
    this.#next = n + 1;
    const maker = from.startsWith(`${this.#from}/`) ? Number(from.slice(this.#from.length + 1)) : Number.NaN;
    if (!this.#published.has(maker) || this.#leftOut.has(maker) || maker < this.#maker)
      this.#say(`file ${n} of ${this.#step} is attributed to ${from}, which has no valid output`);
    else {
      this.#maker = maker;
      if (!key.startsWith(stagedTaskPrefix(this.#job, this.#from, maker)))
        this.#say(`file ${n} of ${this.#step} is attributed to ${from}, which did not stage ${key}`);
    }
  }

  finish(): void {
    if (this.#next !== this.#count)
      this.#say(`step ${this.#step} was opened with ${this.#count} files, but ${this.#next} are listed`);
  }

  #say(message: string): void {
    this.#findings.add('files', message);
  }
}

/** One check for each step that takes files; null for the others. */
function filesChecks(
  view: JobView,
  opened: readonly (OpenedGather | null)[],
  published: readonly TaskBits[],
  findings: Findings,
): readonly (FilesCheck | null)[] {
  return opened.map((found, index) => {
    const before = published[index - 1];
    if (found === null || before === undefined || !takesFiles(view.record.spec.steps, index)) return null;
    return new FilesCheck(view, index, found, before, findings);
  });
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
