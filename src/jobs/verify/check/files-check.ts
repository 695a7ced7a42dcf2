import { TaskBits } from '../../../model/bits.ts';
import type { OpenedGather } from '../../../model/decide.ts';
import { takesFiles } from '../../../model/job.ts';
import { stagedByTask } from '../../../model/keys.ts';
import { tasksIn } from '../../../model/task-set.ts';
import type { FileLine } from '../../../model/verify/evidence-lines.ts';
import type { Findings } from '../../../model/verify/findings.ts';
import type { JobView } from '../../../model/view.ts';

/** Checks the files that one step took for its tasks, as a file tells them: each once, from outputs that were published. */
export class FilesCheck {
  readonly #job: string;
  readonly #step: string;
  /** The step before, which made them. */
  readonly #from: string;
  readonly #count: number;
  readonly #published: TaskBits;
  readonly #leftOut: TaskBits;
  readonly #findings: Findings;
  #next = 0;
  #maker = 0;

  /** `published`: of the step before. */
  constructor(view: JobView, index: number, opened: OpenedGather, published: TaskBits, findings: Findings) {
    const { steps } = view.record.spec;
    this.#job = view.record.job;
    this.#step = steps[index]?.name ?? '';
    this.#from = steps[index - 1]?.name ?? '';
    this.#count = opened.count;
    this.#published = published;
    this.#leftOut = new TaskBits(published.size);
    for (const n of tasksIn(opened.leftOut)) this.#leftOut.add(n);
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
      if (!key.startsWith(stagedByTask(this.#job, this.#from, maker)))
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

/** One check for each step that took files; null for the others. */
export function filesChecks(
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
