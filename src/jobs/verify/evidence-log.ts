import { VERSION } from '../../lib/version.ts';
import type { JobRecord } from '../../model/job.ts';
import type { JournalEntry } from '../../model/journal.ts';
import type { FilePart, Part } from '../../model/part.ts';
import type { Evidence } from '../../model/verify/evidence.ts';
import type { DecisionLine, EndLine, InputLine, OpenedLine } from '../../model/verify/evidence-lines.ts';
import type { StepTotals } from '../totals.ts';
import type { EvidenceFile } from './evidence-file.ts';
import { EvidenceSum } from './evidence-sum.ts';

/** Takes what a verification sees, in the order of an evidence file: adds it up, and writes it where a file is wanted. */
export class EvidenceLog {
  readonly #record: Omit<JobRecord, 'inputs'>;
  readonly #file: EvidenceFile | null;
  readonly #sum: EvidenceSum;

  constructor({ inputs: _, ...record }: JobRecord, file: EvidenceFile | null) {
    this.#record = record;
    this.#file = file;
    this.#sum = new EvidenceSum((shard) => file?.line(shard));
    file?.line({ line: 'evidence', format: 1, version: VERSION, job: record.job, record });
  }

  input(line: InputLine): void {
    const text = JSON.stringify(line);
    this.#sum.input(line, text);
    this.#file?.line(line, text);
  }

  endInputs(): void {
    this.#sum.endInputs();
  }

  decision(line: DecisionLine, entry: JournalEntry): void {
    const text = JSON.stringify(line);
    this.#sum.decision(line, entry, text);
    this.#file?.line(line, text);
  }

  endDecisions(): void {
    this.#sum.endDecisions();
  }

  part(part: Part): void {
    const line = { line: 'part', ...part } as const;
    const text = JSON.stringify(line);
    this.#sum.part(part.n, text);
    this.#file?.line(line, text);
  }

  endParts(): void {
    this.#sum.endParts();
  }

  opened(line: OpenedLine): void {
    this.#sum.opened(line);
    this.#file?.line(line);
  }

  beginStep(name: string): void {
    this.#sum.beginStep(name);
  }

  end(line: EndLine): void {
    const text = JSON.stringify(line);
    this.#sum.end(line, text);
    this.#file?.line(line, text);
  }

  endStep(totals: StepTotals): void {
    this.#sum.endStep(totals);
  }

  /** A file that a step behind an `explode` took for a task; told after the ends of all steps. */
  file(step: string, part: FilePart): void {
    const line = { line: 'file', step, ...part } as const;
    const text = JSON.stringify(line);
    this.#sum.file(line, text);
    this.#file?.line(line, text);
  }

  finish(): Evidence {
    this.#sum.endFiles();
    return this.#sum.finish(this.#record);
  }
}
