import { BatchctlError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { parseStored } from '../../lib/json.ts';
import { jitter, wait } from '../../lib/wait.ts';
import { sharedKey, sharedTurnKey } from '../../model/keys.ts';
import type { LedgerObjects } from './attempt-objects.ts';

/** Each process reads up to this many objects by itself. */
const MAX_OWN_READS = 32;
/** The shortest time between two readings, milliseconds. */
const MIN_INTERVAL_MS = 5_000;
/** Milliseconds per writer: all together read a hundred objects a second. */
const MS_PER_WRITER = 10;
/** How often, and how many times, to look for the first reading that another worker stores, milliseconds. */
const FIRST_POLL = { everyMs: 1_000, looks: 10 } as const;

interface ReadingResult<Value> {
  readonly counts: Value;
  readonly writers: number;
}

/** A reading that one of many workers stored for the others. The next one overwrites it; nothing depends on it. */
interface SharedResult<Value> extends ReadingResult<Value> {
  readonly format: 1;
  /** Grows by one or more each time. */
  readonly turn: number;
}

interface KnownTurn {
  readonly turn: number;
  /** Since when this process has known of that turn, monotonic. */
  readonly since: number;
}

interface Reading<Value> {
  readonly prefix: string;
  /** Null if more than `most` objects would have to be read. */
  readonly read: (most: number) => Promise<ReadingResult<Value> | null>;
  /** Returns false for a stored reading that is too old to use. Absent: any may be used. */
  readonly holds?: (value: Value) => boolean;
}

/**
 * Readings of one object per writer, shared by the workers of a large grid. A thousand workers that each read a
 * thousand objects after each task would make tens of thousands of requests a second (S3 allows 5,500 per prefix:
 * optimizing performance). With many writers, one worker at a time therefore reads for all, every few seconds, and
 * stores the result. Turns are claimed by create-if-absent, without comparing clocks; the turn of a worker that dies is
 * skipped.
 */
export class SharedReading<Value> {
  readonly #store: LedgerObjects;
  readonly #clock: Clock;
  /** By prefix, if there are many writers. */
  readonly #knownTurns = new Map<string, KnownTurn>();

  constructor(store: LedgerObjects, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** May be some seconds old if there are many writers. */
  async get(reading: Reading<Value>): Promise<Value> {
    const { prefix, read, holds = () => true } = reading;
    if (!this.#knownTurns.has(prefix)) {
      const own = await read(MAX_OWN_READS);
      if (own !== null) return own.counts;
    }
    for (let looks = 0; ; looks += 1) {
      const shared = await this.#readShared(prefix);
      const known = shared !== null && holds(shared.counts) ? shared : null;
      const { turn, since } = this.#noteTurn(prefix, shared?.turn ?? -1);
      const age = this.#clock.monotonic() - since;
      const lasts = Math.max(MIN_INTERVAL_MS, MS_PER_WRITER * (shared?.writers ?? 0));
      if (known !== null && age < lasts) return known.counts;
      const mine = turn + Math.max(1, Math.floor(age / lasts));
      const { created } = await this.#store.put(sharedTurnKey(prefix, mine), '', { ifAbsent: true });
      if (created || looks >= FIRST_POLL.looks) return await this.#readForAll(reading, mine);
      if (known !== null) return known.counts;
      await wait(jitter(FIRST_POLL.everyMs));
    }
  }

  async #readShared(prefix: string): Promise<SharedResult<Value> | null> {
    const bytes = await this.#store.read(sharedKey(prefix));
    return bytes === null ? null : parseStored<SharedResult<Value>>(sharedKey(prefix), bytes);
  }

  #noteTurn(prefix: string, turn: number): KnownTurn {
    const known = this.#knownTurns.get(prefix);
    if (known?.turn === turn) return known;
    const noted = { turn, since: this.#clock.monotonic() };
    this.#knownTurns.set(prefix, noted);
    return noted;
  }

  /** From now on this process reads only changes: while they are few, it reads by itself. */
  async #readForAll({ prefix, read }: Reading<Value>, turn: number): Promise<Value> {
    const own = await read(Number.POSITIVE_INFINITY);
    if (own === null) throw new BatchctlError('unexpected', `nothing was read for ${prefix}`);
    const shared: SharedResult<Value> = { format: 1, turn, ...own };
    await this.#store.put(sharedKey(prefix), JSON.stringify(shared));
    await this.#store.delete([sharedTurnKey(prefix, turn - 1)]);
    this.#knownTurns.delete(prefix);
    return own.counts;
  }
}
