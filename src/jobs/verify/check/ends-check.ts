import { isHeldBack, type StepFacts } from '../../../model/decide.ts';
import { hasBarrier, sectionStart } from '../../../model/job.ts';
import { metaProblem } from '../../../model/output.ts';
import { changedCode, changedStep } from '../../../model/overrides.ts';
import { TaskBits, tasksIn } from '../../../model/task-set.ts';
import { type AttemptPlaces, copyProblem } from '../../../model/verify/attempt-places.ts';
import type { EndLine } from '../../../model/verify/evidence.ts';
import { checksumNumber, TaskColumn } from '../../../model/verify/task-column.ts';
import type { OpenedGather } from '../../../model/view.ts';
import { isSkipped, isSkippedItself, type JobView, roundOf } from '../../../model/view.ts';
import { GatherDigest } from '../../gather-digest.ts';
import { stepTotals } from '../../listing.ts';
import { type StepTotals, TotalsSum } from '../../totals.ts';
import { type InputLinks, otherInputText } from '../input-links.ts';
import type { Say } from './record-check.ts';

/** The shared context of the checks of all steps. */
export interface EndsContext {
  /** With the number of tasks of each step. */
  readonly view: JobView;
  readonly opened: readonly (OpenedGather | null)[];
  readonly attempts: AttemptPlaces;
  readonly links: InputLinks;
  /** The bytes that each part's task gets. */
  readonly partBytes: TaskColumn;
  readonly say: Say;
}

type Published = EndLine & { readonly end: 'published' };
type Failed = EndLine & { readonly end: 'failed' };

/** The checksum of nothing. */
const EMPTY = new GatherDigest().finish();
/** The attempt of a failure without one. */
const NO_ATTEMPT = 'none';
const COUNTER = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;
const DECIMAL = /^-?\d{1,60}(?:\.\d{1,40})?$/;

/** Checks the ends of a step's tasks as a file lists them, and computes what listing the store would have shown. */
export class EndsCheck {
  readonly #ctx: EndsContext;
  readonly #index: number;
  readonly #name: string;
  readonly #before: EndsCheck | null;
  readonly #published: TaskBits;
  readonly #failed: TaskBits;
  readonly #leftOut: TaskBits;
  readonly #sum = new TotalsSum();
  /** By task: what was read and written, and the checksum of the output as a number. */
  readonly bytesIn = new TaskColumn();
  readonly bytesOut = new TaskColumn();
  readonly checksums = new TaskColumn();
  #next = 0;
  #ended = { failed: 0, skipped: 0 };

  /** `before`: the check of the step before; null for the first. */
  constructor(ctx: EndsContext, index: number, before: EndsCheck | null) {
    this.#ctx = ctx;
    this.#index = index;
    this.#name = ctx.view.record.spec.steps[index]?.name ?? '';
    this.#before = before;
    const size = stepTotals(ctx.view)[index] ?? 0;
    this.#published = new TaskBits(size);
    this.#failed = new TaskBits(size);
    this.#leftOut = new TaskBits(size, tasksIn(ctx.opened[index + 1]?.leftOut ?? ''));
  }

  get totals(): StepTotals {
    return this.#sum.totals();
  }

  get facts(): StepFacts {
    const [published, failed, opened] = [this.#published, this.#failed, this.#ctx.opened[this.#index] ?? null];
    return { size: published.size, published, failed, opened };
  }

  get ended(): { readonly failed: number; readonly skipped: number } {
    return this.#ended;
  }

  take(line: EndLine): void {
    const { view, say } = this.#ctx;
    const { n } = line;
    const name = `${this.#name}/${n}`;
    if (n < this.#next) say('endTwice', `${name} has a second end, or is out of order`);
    if (n >= this.#published.size) say('foreign', `step ${this.#name} has no task ${n}`);
    this.#next = Math.max(this.#next, n + 1);
    if (line.end !== 'published' && line.end !== 'altered') this.#checkDue(line);
    switch (line.end) {
      case 'published':
        this.#takePublished(line, name);
        return;
      case 'failed':
        this.#ended.failed += 1;
        this.#failed.add(n);
        this.#checkFailed(line, name);
        return;
      case 'skipped':
        this.#ended.skipped += 1;
        if (!isSkipped(view, this.#index, n)) say('end', `no decision skips ${name}`);
        return;
      case 'givenUp':
        this.#ended.failed += 1;
        if (view.stopped === null && !isHeldBack(view, this.#index, n)) say('end', `no decision gives up ${name}`);
        return;
      case 'altered':
        this.#published.add(n);
        say('altered', `the output of ${name} differs from what was published: ${line.problem}`);
        return;
      case 'missing':
        return; // Reported by the check of chains.
      default:
        line satisfies never;
    }
  }

  #takePublished(line: Published, name: string): void {
    const { view, attempts, links, say } = this.#ctx;
    const { n } = line;
    this.#published.add(n);
    const problem = metaProblem({ ...line, seconds: 0 }, view.round);
    if (problem !== null) {
      say('altered', `${name}: ${problem}`);
      return;
    }
    const other = attempts.note(line.attempt, this.#index, n);
    if (other !== null) say('attemptTwice', `${name}: ${copyProblem(line.attempt, other)}`);
    const input = links.add(this.#index, n, line);
    if (input !== null) say('otherInput', otherInputText(view.record.spec.steps, input));
    if (this.#index === 0 && line.inputChecksum !== undefined)
      say(
        'otherInput',
        `${name} was made from an input with ${line.inputChecksum}, but tasks of the first step name none`,
      );
    this.#checkRound(line, name);
    this.#checkBytes(line, name);
    const wrong = Object.entries(line.counters).find(([key, value]) => !COUNTER.test(key) || !DECIMAL.test(value));
    if (wrong !== undefined) say('counters', `${name} has a counter ${wrong.join(' ')}, which no worker accepts`);
    const late = this.#leftOut.has(n);
    if (late !== (line.late === true))
      say('late', `${name} ${late ? 'came too late' : 'did not come too late'} for its gather`);
    if (late) return;
    try {
      this.#sum.add({ ...line, seconds: 0 });
    } catch {
      say('altered', `a counter of ${name} is not a number`);
    }
  }

  /** Compares an output with what the round of its attempt asked for. */
  #checkRound({ n, round, number, code }: Published, name: string): void {
    const { view, say } = this.#ctx;
    const then =
      view.asked.length === 0 ? view : { ...view, asked: view.asked.filter((asked) => asked.round <= round) };
    if (round > 0 && roundOf(then, this.#index, n) !== round) {
      say('endRound', `${name} is from round ${round}, which did not ask for it`);
      return;
    }
    const overrides = then.asked.find((asked) => asked.round === round)?.overrides ?? {};
    const expected = changedCode(view.record, overrides);
    if (code !== expected) say('code', `${name} was made with code ${code}, but round ${round} has ${expected}`);
    const step = view.record.spec.steps[this.#index];
    const attempts = step === undefined ? 0 : changedStep(step, overrides).attempts;
    if (number > attempts) say('attempts', `${name} was made by attempt ${number}, but the step has ${attempts}`);
  }

  #checkBytes({ n, bytesIn, bytesOut, checksum, inputChecksum }: Published, name: string): void {
    const { view, partBytes, say } = this.#ctx;
    const { steps } = view.record.spec;
    this.bytesIn.set(n, bytesIn);
    this.bytesOut.set(n, bytesOut);
    this.checksums.set(n, checksumNumber(checksum));
    const isEmpty = checksum === EMPTY;
    // Several files without bytes have names, and so a checksum of their own.
    if (isEmpty ? bytesOut > 0 : bytesOut === 0 && steps[this.#index]?.output !== 'files')
      say('emptyChecksum', `${name} has ${bytesOut} bytes, and the checksum ${checksum}`);
    const isChained = sectionStart(steps, this.#index) !== this.#index;
    // Outputs of earlier builds, which name no input, may have been made from one that was lost since.
    if (isChained && inputChecksum === undefined) return;
    const read = this.#index === 0 ? partBytes.get(n) : isChained ? (this.#before?.bytesOut.get(n) ?? null) : null;
    if (read !== null && read !== bytesIn) say('bytesIn', `${name} read ${bytesIn} bytes, but its input has ${read}`);
  }

  #checkFailed({ n, round, attempt, reason, exitCode }: Failed, name: string): void {
    const { view, attempts, say } = this.#ctx;
    if (round !== roundOf(view, this.#index, n) || isSkipped(view, this.#index, n))
      say('end', `${name} failed in round ${round}, which contradicts the decisions`);
    const other = attempt === null || attempt === NO_ATTEMPT ? null : attempts.note(attempt, this.#index, n);
    if (other !== null) say('attemptTwice', `${name}: ${copyProblem(String(attempt), other)}`);
    if (reason === 'exit' && (exitCode ?? 0) === 0)
      say('failure', `${name} failed by ${reason} with exit code ${exitCode}`);
  }

  /** A task without an output has an end only if it was asked for. */
  #checkDue({ n, end }: EndLine): void {
    const { view, opened, say } = this.#ctx;
    const { steps } = view.record.spec;
    const isChained = sectionStart(steps, this.#index) !== this.#index;
    const before = isChained ? this.#before?.facts : undefined;
    const due = hasBarrier(steps, this.#index)
      ? (opened[this.#index] ?? null) !== null
      : before === undefined || (end === 'failed' ? !before.failed.has(n) : before.published.has(n));
    if (!due && !isSkippedItself(view, this.#index, n))
      say('notDue', `${this.#name}/${n} is ${end}, but ${isChained ? 'its chain had ended' : 'its step never began'}`);
  }
}
