import { type AttemptFacts, type EndedAttempt, type EndingContext, endAttempts } from './attempt-facts.ts';
import { CauseSums } from './cause-sums.ts';
import type { CauseReport, SlowTask, Throughput, Timeline, WorkerReport } from './report.ts';
import { Slowest } from './slowest.ts';
import { StepSums } from './step-sums.ts';
import { ThroughputSums } from './throughput-sums.ts';
import { TimeGrid } from './time-grid.ts';
import { TimelineSums } from './timeline-sums.ts';
import { type KnownWorker, mostSlots, slotTime, WorkerSums } from './worker-sums.ts';

/** What a report needs besides the attempts. */
export interface ReportContext extends Pick<EndingContext, 'now' | 'closedAt'> {
  readonly workers: ReadonlyMap<string, KnownWorker>;
  /** Slots that an attempt of a step holds: 1 unless the step needs more. */
  readonly slots: (step: string) => number | 'all';
  /** The round that last asked for a task. */
  readonly askedRound: (step: string, task: number) => number;
  /** True for a task that a person decided to go without. */
  readonly skipped: (step: string, task: number) => boolean;
  /** Spells the key of an attempt's log. */
  readonly logOf: (facts: AttemptFacts) => string;
}

/** What the attempts told, each heard once. */
export interface Measured {
  /** Milliseconds since the epoch; null while nothing ran. */
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly attempts: number;
  readonly usefulSeconds: number;
  readonly lostSeconds: number;
  readonly slotSeconds: number;
  /** The most slots that were there at once. */
  readonly mostSlots: number;
  /** Seconds times slots held. */
  readonly busySeconds: number;
  readonly steps: ReadonlyMap<string, StepSums>;
  readonly throughput: Throughput;
  readonly timeline: Timeline;
  readonly workers: readonly WorkerReport[];
  readonly causes: readonly CauseReport[];
  readonly slowest: readonly SlowTask[];
}

/**
 * All figures of a report, in one pass over the attempts of a job: they must come with those of one task together
 * (`Ledger.attemptsOfJob`). Memory is bounded, whatever their number.
 */
export class ReportSums {
  readonly #context: ReportContext;
  readonly #ending: EndingContext;
  readonly #grid = new TimeGrid();
  readonly #timeline = new TimelineSums(this.#grid);
  readonly #throughput = new ThroughputSums(this.#grid);
  readonly #workers: WorkerSums;
  readonly #causes = new CauseSums();
  readonly #slowest = new Slowest();
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

  /** What all of it amounts to; nothing may be added after. */
  measured(): Measured {
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
      timeline: this.#timeline.timeline(slotsOf),
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
    for (const attempt of ended) this.#addAttempt(attempt, ended.length);
    this.#addFailures(ended);
  }

  #addAttempt(attempt: EndedAttempt, ofTask: number): void {
    const { facts, outcome, end } = attempt;
    const { startedAt } = facts;
    this.#attempts += 1;
    if (startedAt < this.#first) this.#first = startedAt;
    if (end > this.#last) this.#last = end;
    this.#grid.reach(startedAt, end);
    this.#throughput.add(attempt);
    if (outcome === 'done') {
      this.#useful += end - startedAt;
      this.#slowest.add(facts, end - startedAt, ofTask);
    } else this.#lost += end - startedAt;
    const known = this.#context.workers.get(facts.worker)?.slots ?? 1;
    const needed = this.#context.slots(facts.step);
    const slots = needed === 'all' ? known : needed;
    this.#workers.add(attempt, slots);
    // A task that held the whole worker is seen in each of its slots.
    if (slots > 1 && slots === known) for (let slot = 0; slot < slots; slot += 1) this.#timeline.add(attempt, slot);
    else this.#timeline.add(attempt, facts.slot);
  }

  /** A task stands failed by its last failure for good, in the round that last asked for it, unless done or skipped. */
  #addFailures(attempts: readonly EndedAttempt[]): void {
    const failures = attempts.filter(({ outcome }) => outcome === 'failed' || outcome === 'failedAttempt');
    const [first] = failures;
    if (first === undefined) return;
    const done = attempts.some(({ outcome }) => outcome === 'done');
    const asked = this.#context.askedRound(first.facts.step, first.facts.task);
    const decided = done || this.#context.skipped(first.facts.step, first.facts.task);
    const standing = decided
      ? undefined
      : failures.findLast(({ outcome, facts }) => outcome === 'failed' && facts.round === asked);
    // On two machines it fails alike: that is most likely its input.
    const workers = new Set(failures.filter(({ facts }) => facts.round === asked).map(({ facts }) => facts.worker));
    for (const failure of failures) {
      const forGood = failure === standing;
      this.#causes.add(failure.facts, failure.end, { forGood, badInput: forGood && workers.size > 1 });
    }
  }

  #slowTasks(): readonly SlowTask[] {
    return this.#slowest.tasks.map(({ facts, milliseconds, attempts }) => {
      const median = this.#steps.get(facts.step)?.duration.quantile(0.5) ?? 0;
      return {
        task: `${facts.step}/${facts.task}`,
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
