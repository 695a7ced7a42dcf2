/** Two words of an attempt's hash, and the place of its output, counted from 1 over all steps; 0: empty. */
const WORDS = 3;
/** Load factor at which the table grows. */
const MAX_LOAD = 0.8;
const GROWTH = 2;
/** The table is made for all of a job's tasks, but at first for at most this many: a file may claim any number. */
const FIRST_TASKS = 2 ** 20;

/**
 * Detects that one attempt made two outputs of a job: an attempt is one try at one task, so one of them is a copy.
 * Takes 15 bytes per task. Attempts are distinguished by 64 bits of a hash: two of ten million collide once in 400,000
 * such jobs.
 */
export class AttemptPlaces {
  readonly #steps: readonly { readonly name: string; readonly first: number }[];
  #table: Uint32Array;
  #held = 0;

  /** The job's steps, and the number of tasks of each. */
  constructor(steps: readonly { readonly name: string }[], sizes: readonly number[]) {
    let next = 1;
    this.#steps = steps.map(({ name }, index) => {
      const first = next;
      next += sizes[index] ?? 0;
      return { name, first };
    });
    this.#table = new Uint32Array(Math.ceil(Math.min(next, FIRST_TASKS) / MAX_LOAD) * WORDS);
  }

  /** Records the attempt of a task's output. Returns the task (`step/n`) whose output it made before, or null. */
  note(attempt: string, step: number, task: number): string | null {
    if (this.#held + 1 > (this.#table.length / WORDS) * MAX_LOAD) this.#grow();
    const [high, low] = hashOf(attempt);
    const found = put(this.#table, high, low, (this.#steps[step]?.first ?? 1) + task);
    if (found === 0) this.#held += 1;
    const maker = this.#steps.findLast(({ first }) => found >= first);
    return maker === undefined ? null : `${maker.name}/${found - maker.first}`;
  }

  #grow(): void {
    const larger = new Uint32Array(this.#table.length * GROWTH);
    for (let at = 0; at < this.#table.length; at += WORDS) {
      const place = this.#table[at + 2] ?? 0;
      if (place !== 0) put(larger, this.#table[at] ?? 0, this.#table[at + 1] ?? 0, place);
    }
    this.#table = larger;
  }
}

/** The problem of an output whose attempt also made another task's. */
export function copyProblem(attempt: string, other: string): string {
  return `its attempt ${attempt} also made the output of ${other}, so one of them is a copy`;
}

/** Stores a place under a hash; returns the one already there, or 0. */
function put(table: Uint32Array, high: number, low: number, place: number): number {
  const room = table.length / WORDS;
  for (let slot = low % room; ; slot = (slot + 1) % room) {
    const at = slot * WORDS;
    const found = table[at + 2] ?? 0;
    if (found === 0) {
      table[at] = high;
      table[at + 1] = low;
      table[at + 2] = place;
      return 0;
    }
    if (table[at] === high && table[at + 1] === low) return found;
  }
}

/** Two 32-bit words over a text: FNV-1a with two primes, mixed at the end like MurmurHash3. */
function hashOf(text: string): readonly [number, number] {
  let high = 0x811c9dc5;
  let low = 0x9747b28c;
  for (let n = 0; n < text.length; n += 1) {
    const code = text.charCodeAt(n);
    high = Math.imul(high ^ code, 0x01000193);
    low = Math.imul(low ^ code, 0x85ebca6b);
  }
  return [mixed(high ^ (low >>> 16)), mixed(low ^ (high >>> 15))];
}

function mixed(word: number): number {
  let out = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  out = Math.imul(out ^ (out >>> 13), 0xc2b2ae35);
  return (out ^ (out >>> 16)) >>> 0;
}
