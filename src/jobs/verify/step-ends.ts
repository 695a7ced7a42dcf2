import type { MadeEvidence, StepEvidence } from '../../model/verify/evidence.ts';
import type { EndLine, ShardLine } from '../../model/verify/evidence-lines.ts';
import { TaskSetWriter } from '../../model/verify/task-set-writer.ts';
import type { StepTotals } from '../totals.ts';
import { RootDigest } from './root-digest.ts';

/** What the ends of one step's tasks come to; they are told in the order of their numbers. */
export class StepEnds {
  readonly #name: string;
  readonly #root: RootDigest;
  readonly #made = new Map<string, { readonly round: number; readonly code: string | null; outputs: number }>();
  readonly #failed = new TaskSetWriter();
  readonly #skipped = new TaskSetWriter();

  constructor(name: string, tell: (shard: ShardLine) => void) {
    this.#name = name;
    this.#root = new RootDigest(`ends of ${name}`, tell);
  }

  /** Takes a line and its text. */
  add(line: EndLine, text: string): void {
    this.#root.add(line.n, text);
    if (line.end === 'published') this.#countMade(line.round, line.code);
    else if (line.end === 'failed' || line.end === 'givenUp') this.#failed.add(line.n);
    else if (line.end === 'skipped') this.#skipped.add(line.n);
  }

  /** `totals` are those of the outputs that count. */
  finish({ outputs, bytesIn, bytesOut, counters }: StepTotals): StepEvidence {
    const made = [...this.#made.values()].sort(
      (a, b) => a.round - b.round || ((a.code ?? '') < (b.code ?? '') ? -1 : 1),
    );
    return {
      name: this.#name,
      root: this.#root.finish(),
      ends: this.#root.lines,
      ...{ outputs, bytesIn, bytesOut, counters },
      made: made.map((of): MadeEvidence => ({ ...of })),
      failed: this.#failed.text(),
      skipped: this.#skipped.text(),
    };
  }

  #countMade(round: number, code: string | null): void {
    const key = `${round} ${code ?? ''}`;
    const made = this.#made.get(key);
    if (made === undefined) this.#made.set(key, { round, code, outputs: 1 });
    else made.outputs += 1;
  }
}
