import type { Clock } from '../../lib/clock.ts';
import { parseStored } from '../../lib/json.ts';
import { jitter, wait } from '../../lib/wait.ts';
import { ledgerCountedKey, ledgerTurnKey } from '../../model/keys.ts';
import type { StepCounts } from '../../ports/ledger.ts';
import type { LedgerObjects } from './ledger-objects.ts';

/** Up to so many objects each process reads by itself. */
const FEW = 32;
/** Counts are as old as that at least before they are taken anew, milliseconds. */
const LEAST_MS = 5_000;
/** Milliseconds a writer: all together read a hundred objects a second. */
const MS_A_WRITER = 10;
/** Between two looks for the first counts that somebody takes, milliseconds, and how often one looks. */
const FIRST = { everyMs: 1_000, looks: 10 } as const;

/** The counts of a job as one of many workers took them: overwritten, and only a memory. */
interface Counted {
  readonly format: 1;
  /** Grows by one or more each time. */
  readonly turn: number;
  /** How many writers' objects were read. */
  readonly writers: number;
  readonly counts: readonly StepCounts[];
}

interface Crowd {
  readonly turn: number;
  /** Since when this process knows of that turn, monotonic. */
  readonly since: number;
}

/** Takes a job's counts; null where more than `most` objects would have to be read for it. */
type Count = (
  job: string,
  most: number,
) => Promise<{ readonly counts: readonly StepCounts[]; readonly writers: number } | null>;

/**
 * Counts for the workers of a large grid. Each count reads an object a writer: a thousand workers that count after each
 * task would be ten thousands of requests a second (S3 takes 5,500 for a prefix: optimizing performance). So where there
 * are many writers one worker at a time counts for all, every few seconds, and the others read what it found. Whose turn
 * it is is decided by create-if-absent, and by no clock that two share; who dies in its turn is passed over.
 */
export class SharedCounts {
  readonly #store: LedgerObjects;
  readonly #clock: Clock;
  readonly #count: Count;
  /** Jobs with many writers. */
  readonly #crowds = new Map<string, Crowd>();

  constructor(store: LedgerObjects, clock: Clock, count: Count) {
    this.#store = store;
    this.#clock = clock;
    this.#count = count;
  }

  /** Counts that may be some seconds old where many write. */
  async of(job: string): Promise<readonly StepCounts[]> {
    if (!this.#crowds.has(job)) {
      const own = await this.#count(job, FEW);
      if (own !== null) return own.counts;
    }
    for (let looks = 0; ; looks += 1) {
      const counted = await this.#read(job);
      const { turn, since } = this.#note(job, counted?.turn ?? -1);
      const age = this.#clock.monotonic() - since;
      const lasts = Math.max(LEAST_MS, MS_A_WRITER * (counted?.writers ?? 0));
      if (counted !== null && age < lasts) return counted.counts;
      const mine = turn + Math.max(1, Math.floor(age / lasts));
      const { created } = await this.#store.put(ledgerTurnKey(job, mine), '', { ifAbsent: true });
      if (created || looks >= FIRST.looks) return await this.#countForAll(job, mine);
      if (counted !== null) return counted.counts;
      await wait(jitter(FIRST.everyMs));
    }
  }

  async #read(job: string): Promise<Counted | null> {
    const bytes = await this.#store.read(ledgerCountedKey(job));
    return bytes === null ? null : parseStored<Counted>(ledgerCountedKey(job), bytes);
  }

  #note(job: string, turn: number): Crowd {
    const known = this.#crowds.get(job);
    if (known?.turn === turn) return known;
    const crowd = { turn, since: this.#clock.monotonic() };
    this.#crowds.set(job, crowd);
    return crowd;
  }

  /** From now on this process reads what changed since: while that is little, it counts by itself. */
  async #countForAll(job: string, turn: number): Promise<readonly StepCounts[]> {
    const { counts, writers } = (await this.#count(job, Number.POSITIVE_INFINITY)) ?? { counts: [], writers: 0 };
    const counted: Counted = { format: 1, turn, writers, counts };
    await this.#store.put(ledgerCountedKey(job), JSON.stringify(counted));
    await this.#store.delete([ledgerTurnKey(job, turn - 1)]);
    this.#crowds.delete(job);
    return counts;
  }
}
