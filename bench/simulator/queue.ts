import type { Sight } from './policies.ts';
import type { Job } from './workloads.ts';

/** Tasks of one job that a slot runs one after the other. */
export interface Unit {
  readonly job: JobState;
  readonly tasks: number;
  readonly seconds: number;
}

/** Number of durations sampled for their deviation, as in batchctl. */
const SAMPLE = 100;

/** A submitted job: its waiting tasks, and what its counters say. */
export class JobState {
  readonly job: Job;
  #next = 0;
  readonly #back: Unit[] = [];
  /** Tasks without a lease, and tasks done. */
  waiting: number;
  done = 0;
  #seconds = 0;
  readonly #durations: number[] = [];
  endedAt: number | null = null;

  constructor(job: Job) {
    this.job = job;
    this.waiting = job.tasks;
  }

  take(): Unit | null {
    const unit = this.#back.pop() ?? this.#fresh();
    if (unit !== null) this.waiting -= unit.tasks;
    return unit;
  }

  giveBack(unit: Unit): void {
    this.#back.push(unit);
    this.waiting += unit.tasks;
  }

  record(tasks: number, seconds: number, now: number): void {
    if (tasks === 0) return;
    this.done += tasks;
    this.#seconds += seconds;
    this.#durations.push(seconds);
    if (this.done === this.job.tasks) this.endedAt = now;
  }

  sight(now: number): Sight['jobs'][number] {
    const { name, at, within, earlier, tasks, unit } = this.job;
    return {
      name,
      in: within === null ? null : at + within - now,
      ready: tasks - this.done,
      seconds: this.done > 0 ? this.#seconds / this.done : (earlier?.mean ?? null),
      deviation: deviationOf(this.#durations, unit) ?? earlier?.deviation ?? null,
    };
  }

  #fresh(): Unit | null {
    const { units, unit, tasks } = this.job;
    const seconds = units[this.#next];
    if (seconds === undefined) return null;
    const of = Math.min(unit, tasks - this.#next * unit);
    this.#next += 1;
    return { job: this, tasks: of, seconds };
  }
}

/** Takes from each job in turn. */
export class Queue {
  readonly jobs: JobState[] = [];
  #turn = 0;

  get visible(): number {
    return this.jobs.reduce((sum, { waiting }) => sum + waiting, 0);
  }

  take(): Unit | null {
    for (let tried = 0; tried < this.jobs.length; tried += 1) {
      this.#turn = (this.#turn + 1) % this.jobs.length;
      const unit = this.jobs[this.#turn]?.take() ?? null;
      if (unit !== null) return unit;
    }
    return null;
  }
}

/** The deviation of a task: with n tasks per unit, that of the units divided by the root of n. */
function deviationOf(durations: readonly number[], unit: number): number | null {
  const sample = new Set(Array.from({ length: SAMPLE }, (_, n) => Math.floor((n * durations.length) / SAMPLE)));
  const found = [...sample].map((at) => durations[at]).filter((each) => each !== undefined);
  if (found.length < 2) return null;
  const mean = found.reduce((sum, each) => sum + each, 0) / found.length;
  const squares = found.reduce((sum, each) => sum + (each - mean) ** 2, 0);
  return Math.sqrt(squares / (found.length - 1) / unit);
}
