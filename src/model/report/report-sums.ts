import type { CauseReport, SlowTask, Throughput, Timeline, WorkerReport } from '../answers/report.ts';
import { causeId, causeText, mayBeBadInput } from '../failure.ts';
import { foldError } from '../fold-error.ts';
import { type AttemptFacts, type EndedAttempt, type EndingContext, endAttempts } from './attempt-facts.ts';
import { StepSums } from './step-sums.ts';
import { ThroughputSums } from './throughput.ts';
import { TimeGrid } from './time-grid.ts';
import { TimelineSums } from './timeline.ts';
import { type WaitingStep, WaitingSums } from './waiting.ts';
import { type KnownWorker, mostSlots, slotTime, WorkerSums } from './worker-sums.ts';

export interface ReportContext extends Pick<EndingContext, 'now' | 'closedAt'> {
  readonly workers: ReadonlyMap<string, KnownWorker>;
  /** Slots that an attempt of a step holds: 1 unless the step needs more. */
  readonly slots: (step: string) => number | 'all';
  /** The steps whose tasks wait, in order; absent: the waiting is not measured. */
  readonly waits?: readonly WaitingStep[];
  /** The round that last asked for a task. */
  readonly askedRound: (step: string, task: number) => number;
  readonly skipped: (step: string, task: number) => boolean;
  readonly logOf: (facts: AttemptFacts) => string;
}

/** Results of the attempts, each counted once. */
export interface ReportFigures {
  /** Milliseconds since the epoch; null while nothing ran. */
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly attempts: number;
  readonly usefulSeconds: number;
  readonly lostSeconds: number;
  readonly slotSeconds: number;
  /** The maximum number of slots at once. */
  readonly mostSlots: number;
  /** Seconds times held slots. */
  readonly busySeconds: number;
  readonly steps: ReadonlyMap<string, StepSums>;
  readonly throughput: Throughput;
  readonly timeline: Timeline;
  readonly workers: readonly WorkerReport[];
  /** Without the parameters of tasks, which no attempt has. */
  readonly causes: readonly CauseReport[];
  readonly slowest: readonly SlowTask[];
}

/**
 * All figures of a report, in one pass over the attempts of a job. Those of one task must come together
 * (`Ledger.attemptsOfJob`). Memory is bounded, whatever their number.
 */
export class ReportSums {
  readonly #context: ReportContext;
  readonly #ending: EndingContext;
  readonly #grid = new TimeGrid();
  readonly #timeline = new TimelineSums(this.#grid);
  readonly #throughput = new ThroughputSums(this.#grid);
  readonly #waiting = new WaitingSums(this.#grid);
  readonly #workers: WorkerSums;
  readonly #causes = new CauseSums();
  readonly #slowest = new SlowestTasks();
  readonly #steps = new Map<string, StepSums>();
  #task: AttemptFacts[] = [];
  #attempts = 0;
  #useful = 0;
  #lost = 0;
  #first = Number.POSITIVE_INFINITY;
  #last = Number.NEGATIVE_INFINITY;

  constructor(context: ReportContext) {
    this.#context = context;
    this.#ending = {
      now: context.now,
      closedAt: context.closedAt,
      worker: (id) => context.workers.get(id),
    };
    this.#workers = new WorkerSums(context.workers);
  }

  add(attempt: AttemptFacts): void {
    const [before] = this.#task;
    if (before !== undefined && (before.task !== attempt.task || before.step !== attempt.step)) this.#endTask();
    this.#task.push(attempt);
  }

  /** The results; nothing may be added after. */
  figures(): ReportFigures {
    this.#endTask();
    const slots = new Map<string, number>();
    const slotsOf = (worker: string): number => {
      let known = slots.get(worker);
      if (known === undefined) {
        known = this.#workers.slotsOf(worker, this.#timeline.busiest(worker));
        slots.set(worker, known);
      }
      return known;
    };
    const began = this.#attempts > 0;
    const span = { from: this.#first, to: this.#last };
    const presences = this.#workers.presences(slotsOf, span);
    return {
      startedAt: began ? this.#first : null,
      endedAt: began ? this.#last : null,
      attempts: this.#attempts,
      usefulSeconds: this.#useful / 1_000,
      lostSeconds: this.#lost / 1_000,
      slotSeconds: slotTime(presences) / 1_000,
      mostSlots: mostSlots(presences),
      ...this.#workers.reports(slotsOf),
      steps: this.#steps,
      throughput: this.#throughput.throughput(presences, span),
      timeline: this.#timeline.timeline(slotsOf, this.#waiting.waiting(this.#context.waits ?? [])),
      causes: this.#causes.reports(this.#context.logOf),
      slowest: this.#slowTasks(),
    };
  }

  #endTask(): void {
    const [first] = this.#task;
    if (first === undefined) return;
    const ended = endAttempts(this.#task, this.#ending);
    this.#task = [];
    let step = this.#steps.get(first.step);
    if (step === undefined) {
      step = new StepSums();
      this.#steps.set(first.step, step);
    }
    step.add(ended);
    const standing = this.#standingFailure(ended);
    for (const attempt of ended) this.#addAttempt(attempt, ended.length, attempt === standing);
    this.#waiting.add(ended);
    this.#addFailures(ended, standing);
  }

  #addAttempt(attempt: EndedAttempt, ofTask: number, stands: boolean): void {
    const { facts, outcome, end } = attempt;
    const { startedAt } = facts;
    this.#attempts += 1;
    if (startedAt < this.#first) this.#first = startedAt;
    if (end > this.#last) this.#last = end;
    this.#grid.makeRoom(startedAt, end);
    this.#throughput.add(attempt);
    if (outcome === 'done') {
      this.#useful += end - startedAt;
      this.#slowest.add(facts, end - startedAt, ofTask);
    } else this.#lost += end - startedAt;
    const known = this.#context.workers.get(facts.worker)?.slots ?? 1;
    const needed = this.#context.slots(facts.step);
    const slots = needed === 'all' ? known : needed;
    this.#workers.add(attempt, slots);
    const shown = { ...attempt, outcome: outcome === 'failed' && !stands ? 'superseded' : outcome } as const;
    // A task that held the whole worker appears in each of its slots.
    if (slots > 1 && slots === known) for (let slot = 0; slot < slots; slot += 1) this.#timeline.add(shown, slot);
    else this.#timeline.add(shown, facts.slot);
  }

  /** A task counts as failed by its last failure for good, in its last round, unless it is done or skipped. */
  #standingFailure(attempts: readonly EndedAttempt[]): EndedAttempt | undefined {
    const last = attempts.findLast(({ outcome }) => outcome === 'failed');
    if (last === undefined || attempts.some(({ outcome }) => outcome === 'done')) return undefined;
    const { step, task } = last.facts;
    if (this.#context.skipped(step, task)) return undefined;
    const asked = this.#context.askedRound(step, task);
    return attempts.findLast(({ outcome, facts }) => outcome === 'failed' && facts.round === asked);
  }

  #addFailures(attempts: readonly EndedAttempt[], standing: EndedAttempt | undefined): void {
    const failures = attempts.filter(({ outcome }) => outcome === 'failed' || outcome === 'failedAttempt');
    const [first] = failures;
    if (first === undefined) return;
    const asked = this.#context.askedRound(first.facts.step, first.facts.task);
    // It fails the same way on two machines: most likely its input is the cause.
    const workers = new Set(failures.filter(({ facts }) => facts.round === asked).map(({ facts }) => facts.worker));
    for (const failure of failures) {
      const forGood = failure === standing;
      const { reason, error } = failure.facts;
      const badInput = forGood && workers.size > 1 && mayBeBadInput({ reason: reason ?? 'unknown', error });
      this.#causes.add(failure.facts, failure.end, { forGood, badInput });
    }
  }

  #slowTasks(): readonly SlowTask[] {
    return this.#slowest.tasks.map(({ facts, milliseconds, attempts }) => {
      const median = this.#steps.get(facts.step)?.duration.quantile(0.5) ?? 0;
      return {
        task: `${facts.step}/${facts.task}`,
        params: null,
        seconds: milliseconds / 1_000,
        times: median === 0 ? 1 : Math.round((milliseconds / median) * 10) / 10,
        attempts,
        worker: facts.worker,
        bytesIn: facts.bytesIn,
        peakMemory: facts.peakMemory,
        log: this.#context.logOf(facts),
      };
    });
  }
}

/** How many causes are kept apart; all further ones are one cause per step. */
const MAX_CAUSES = 1_000;

/** How many are reported, by the number of attempts. */
const REPORTED_CAUSES = 50;

/** Raw error lines with a remembered cause: folding costs more than everything else. */
const MAX_CACHED_LINES = 10_000;

const OTHERS = 'many different errors';

interface Sum extends Pick<CauseReport, 'cause' | 'step' | 'reason' | 'exitCode'> {
  readonly error: string;
  attempts: number;
  forGood: number;
  badInput: number;
  firstAt: number;
  lastAt: number;
  example: AttemptFacts;
}

class CauseSums {
  readonly #sums = new Map<string, Sum>();
  readonly #known = new Map<string, Sum>();

  /** Adds an attempt that failed at `at`. `forGood`: that failed its task; `badInput`: it did so on several workers. */
  add(facts: AttemptFacts, at: number, { forGood, badInput }: { forGood: boolean; badInput: boolean }): void {
    const sum = this.#sumOf(facts, at);
    sum.attempts += 1;
    if (forGood) sum.forGood += 1;
    if (badInput) sum.badInput += 1;
    sum.lastAt = Math.max(sum.lastAt, at);
    if (at >= sum.firstAt) return;
    sum.firstAt = at;
    sum.example = facts;
  }

  /** The causes with the most attempts first; `logOf` composes the key of the example's log. */
  reports(logOf: (facts: AttemptFacts) => string): readonly CauseReport[] {
    return [...this.#sums.values()]
      .sort((a, b) => b.attempts - a.attempts || a.firstAt - b.firstAt)
      .slice(0, REPORTED_CAUSES)
      .map(({ cause, step, reason, exitCode, error, attempts, forGood, badInput, firstAt, lastAt, example }) => ({
        cause,
        step,
        reason,
        exitCode,
        error,
        attempts,
        forGood,
        badInput,
        firstAt: new Date(firstAt).toISOString(),
        lastAt: new Date(lastAt).toISOString(),
        example: { task: `${example.step}/${example.task}`, params: null, error: example.error, log: logOf(example) },
      }));
  }

  #sumOf(facts: AttemptFacts, at: number): Sum {
    const { step, exitCode, error } = facts;
    const reason = facts.reason ?? 'unknown';
    const raw = `${step} ${reason} ${exitCode} ${error}`;
    const known = this.#known.get(raw);
    if (known !== undefined) return known;
    const cause = { step, reason, exitCode, error };
    const text = causeText(cause);
    const full = this.#sums.size >= MAX_CAUSES && !this.#sums.has(text);
    const key = full ? `${step} ${OTHERS}` : text;
    let sum = this.#sums.get(key);
    if (sum === undefined) {
      const of = full ? { ...cause, reason: 'other', exitCode: null, error: OTHERS } : cause;
      sum = {
        ...of,
        cause: causeId(of),
        error: of.error === null ? '' : foldError(of.error),
        attempts: 0,
        forGood: 0,
        badInput: 0,
        firstAt: at,
        lastAt: at,
        example: facts,
      };
      this.#sums.set(key, sum);
    }
    if (this.#known.size >= MAX_CACHED_LINES) this.#known.clear();
    this.#known.set(raw, sum);
    return sum;
  }
}

const MAX_SLOW_TASKS = 20;

interface SlowAttempt {
  readonly facts: AttemptFacts;
  readonly milliseconds: number;
  /** For the task, over all rounds. */
  readonly attempts: number;
}

class SlowestTasks {
  /** Longest first; among equals, the earlier one. */
  readonly #kept: SlowAttempt[] = [];

  add(facts: AttemptFacts, milliseconds: number, attempts: number): void {
    const kept = this.#kept;
    const least = kept[MAX_SLOW_TASKS - 1];
    if (least !== undefined && milliseconds <= least.milliseconds) return;
    let at = kept.length;
    while (at > 0 && (kept[at - 1]?.milliseconds ?? 0) < milliseconds) at -= 1;
    kept.splice(at, 0, { facts, milliseconds, attempts });
    if (kept.length > MAX_SLOW_TASKS) kept.pop();
  }

  get tasks(): readonly SlowAttempt[] {
    return this.#kept;
  }
}
