import { isHeldBack, type OpenedGather, type StepFacts } from '../../../model/decide.ts';
import { metaProblem } from '../../../model/output.ts';
import { TaskBits, tasksIn } from '../../../model/task-set.ts';
import { type AttemptPlaces, copyProblem } from '../../../model/verify/attempt-places.ts';
import type { EndLine } from '../../../model/verify/evidence.ts';
import type { Findings } from '../../../model/verify/findings.ts';
import { isSkipped, type JobView, roundOf } from '../../../model/view.ts';
import { stepTotals } from '../../listing.ts';
import { type StepTotals, TotalsSum } from '../../totals.ts';
import { type InputLinks, otherInputText } from '../input-links.ts';

/** Checks the ends of a step's tasks as a file lists them, and computes what listing the store would have shown. */
export class EndsCheck {
  readonly #view: JobView;
  readonly #index: number;
  readonly #name: string;
  readonly #attempts: AttemptPlaces;
  readonly #links: InputLinks;
  readonly #findings: Findings;
  readonly #opened: OpenedGather | null;
  readonly #published: TaskBits;
  readonly #failed: TaskBits;
  readonly #leftOut: TaskBits;
  readonly #sum = new TotalsSum();
  #next = 0;
  #ended = { failed: 0, skipped: 0 };

  /** `attempts` and `links` cover all steps. */
  constructor(
    view: JobView,
    index: number,
    opened: readonly (OpenedGather | null)[],
    { attempts, links }: { readonly attempts: AttemptPlaces; readonly links: InputLinks },
    findings: Findings,
  ) {
    this.#view = view;
    this.#index = index;
    this.#name = view.record.spec.steps[index]?.name ?? '';
    this.#attempts = attempts;
    this.#links = links;
    this.#findings = findings;
    this.#opened = opened[index] ?? null;
    const size = stepTotals(view)[index] ?? 0;
    this.#published = new TaskBits(size);
    this.#failed = new TaskBits(size);
    this.#leftOut = new TaskBits(size, tasksIn(opened[index + 1]?.leftOut ?? ''));
  }

  get totals(): StepTotals {
    return this.#sum.totals();
  }

  get facts(): StepFacts {
    const [published, failed, opened] = [this.#published, this.#failed, this.#opened];
    return { size: published.size, published, failed, opened };
  }

  get ended(): { readonly failed: number; readonly skipped: number } {
    return this.#ended;
  }

  take(line: EndLine): void {
    const { n } = line;
    if (n < this.#next) this.#say('endTwice', `${this.#name}/${n} has a second end, or is out of order`);
    if (n >= this.#published.size) this.#say('foreign', `step ${this.#name} has no task ${n}`);
    this.#next = Math.max(this.#next, n + 1);
    switch (line.end) {
      case 'published':
        this.#takePublished(line);
        return;
      case 'failed':
        this.#ended.failed += 1;
        this.#failed.add(n);
        if (line.round !== roundOf(this.#view, this.#index, n) || this.#isSkipped(n))
          this.#say('end', `${this.#name}/${n} failed in round ${line.round}, which contradicts the decisions`);
        return;
      case 'skipped':
        this.#ended.skipped += 1;
        if (!this.#isSkipped(n)) this.#say('end', `no decision skips ${this.#name}/${n}`);
        return;
      case 'givenUp':
        this.#ended.failed += 1;
        if (this.#view.stopped === null && !isHeldBack(this.#view, this.#index, n))
          this.#say('end', `no decision gives up ${this.#name}/${n}`);
        return;
      case 'altered':
        this.#published.add(n);
        this.#say('altered', `the output of ${this.#name}/${n} differs from what was published: ${line.problem}`);
        return;
      case 'missing':
        return; // Reported by the check of chains.
      default:
        line satisfies never;
    }
  }

  #takePublished(line: EndLine & { readonly end: 'published' }): void {
    const { n } = line;
    this.#published.add(n);
    const problem = metaProblem({ ...line, seconds: 0 }, this.#view.round);
    if (problem !== null) {
      this.#say('altered', `${this.#name}/${n}: ${problem}`);
      return;
    }
    const other = this.#attempts.note(line.attempt, this.#index, n);
    if (other !== null) this.#say('attemptTwice', `${this.#name}/${n}: ${copyProblem(line.attempt, other)}`);
    const input = this.#links.add(this.#index, n, line);
    if (input !== null) this.#say('otherInput', otherInputText(this.#view.record.spec.steps, input));
    const late = this.#leftOut.has(n);
    if (late !== (line.late === true))
      this.#say('late', `${this.#name}/${n} ${late ? 'came too late' : 'did not come too late'} for its gather`);
    if (late) return;
    try {
      this.#sum.add({ ...line, seconds: 0 });
    } catch {
      this.#say('altered', `a counter of ${this.#name}/${n} is not a number`);
    }
  }

  #isSkipped(n: number): boolean {
    return isSkipped(this.#view, this.#index, n);
  }

  #say(code: string, message: string): void {
    this.#findings.add(code, message);
  }
}
