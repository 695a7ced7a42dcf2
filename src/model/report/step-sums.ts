import type { AttemptFacts, EndedAttempt } from './attempt-facts.ts';
import { DurationSketch } from './duration-sketch.ts';

/** What the attempts of one step tell. */
export class StepSums {
  readonly duration = new DurationSketch();
  readonly wait = new DurationSketch();
  done = 0;
  retried = 0;
  interrupted = 0;
  cpuSeconds: number | null = null;
  peakMemory: number | null = null;

  /** All attempts of one task, ended. */
  add(attempts: readonly EndedAttempt[]): void {
    for (const attempt of attempts) this.#addAttempt(attempt);
    this.#addWaits(attempts);
  }

  #addAttempt({ facts, outcome, end }: EndedAttempt): void {
    switch (outcome) {
      case 'done':
        this.done += 1;
        this.duration.add(end - facts.startedAt);
        if (facts.cpuSeconds !== null) this.cpuSeconds = (this.cpuSeconds ?? 0) + facts.cpuSeconds;
        if (facts.peakMemory !== null) this.peakMemory = Math.max(this.peakMemory ?? 0, facts.peakMemory);
        return;
      case 'failedAttempt':
        this.retried += 1;
        return;
      case 'interrupted':
        this.interrupted += 1;
        return;
      case 'failed':
      case 'running':
        return;
      default:
        outcome satisfies never;
    }
  }

  /** A task waits for its first attempt of a round; one that was interrupted waited only until the interrupted one. */
  #addWaits(attempts: readonly EndedAttempt[]): void {
    if (attempts.length === 1) this.#addWait(attempts[0]?.facts);
    else for (const first of firstOfRounds(attempts)) this.#addWait(first);
  }

  #addWait(facts: AttemptFacts | undefined): void {
    if (facts !== undefined && facts.waitSeconds !== null) this.wait.add(facts.waitSeconds * 1_000);
  }
}

function firstOfRounds(attempts: readonly EndedAttempt[]): Iterable<AttemptFacts> {
  const first = new Map<number, AttemptFacts>();
  for (const { facts } of attempts) {
    const known = first.get(facts.round);
    if (known === undefined || facts.startedAt < known.startedAt) first.set(facts.round, facts);
  }
  return first.values();
}
