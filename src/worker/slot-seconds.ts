/** The number of jobs listed by name; those without time for the longest are added up. */
const NAMED_JOBS = 64;
/** The name of all others. */
const OTHER_JOBS = '';

/** Slot-seconds that a worker spent on jobs, whatever the outcome: its machine's cost is shared by them. */
export class SlotSeconds {
  /** The most recent job is last. */
  readonly #byJob = new Map<string, number>();

  note(job: string, slotSeconds: number): void {
    const before = this.#byJob.get(job) ?? 0;
    this.#byJob.delete(job);
    this.#byJob.set(job, before + slotSeconds);
    if (this.#byJob.size <= NAMED_JOBS + 1) return;
    const [oldest] = [...this.#byJob.keys()].filter((name) => name !== OTHER_JOBS);
    if (oldest === undefined) return;
    this.#byJob.set(OTHER_JOBS, (this.#byJob.get(OTHER_JOBS) ?? 0) + (this.#byJob.get(oldest) ?? 0));
    this.#byJob.delete(oldest);
  }

  /** By job, including running attempts; rounded to a thousandth. */
  with(running: Iterable<readonly [job: string, slotSeconds: number]>): Readonly<Record<string, number>> {
    const all = new Map(this.#byJob);
    for (const [job, slotSeconds] of running) all.set(job, (all.get(job) ?? 0) + slotSeconds);
    return Object.fromEntries([...all].map(([job, seconds]) => [job, Math.round(seconds * 1_000) / 1_000]));
  }
}
