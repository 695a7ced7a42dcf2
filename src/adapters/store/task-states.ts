import type { KnownTaskState } from '../../model/ledger/transitions.ts';

/**
 * Sets of task numbers as text: base64 of gap, length, gap, length ... as varints (seven bits per byte, low ones
 * first). A worker's share of a large job costs two to three bytes per task, an unbroken run a few bytes in all.
 */
class TaskRunsEncoder {
  #bytes = Buffer.alloc(64);
  #used = 0;
  #end = 0;

  /** Adds the run `from` to before `to`, above all runs added so far. */
  add(from: number, to: number): void {
    this.#varint(from - this.#end);
    this.#varint(to - from);
    this.#end = to;
  }

  toString(): string {
    return this.#bytes.toString('base64', 0, this.#used);
  }

  #varint(value: number): void {
    if (this.#used + 8 > this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes, this.#bytes]);
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) this.#bytes[this.#used++] = (rest % 128) | 128;
    this.#bytes[this.#used++] = rest;
  }
}

/** Calls `visit` with each run of such a text, ascending, as `from` to before `to`. */
export function eachTaskRun(text: string, visit: (from: number, to: number) => void): void {
  const bytes = Buffer.from(text, 'base64');
  let at = 0;
  let end = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; at < bytes.length; scale *= 128) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 127) * scale;
      if (byte < 128) break;
    }
    return value;
  };
  while (at < bytes.length) {
    const from = end + varint();
    end = from + varint();
    visit(from, end);
  }
}

/** Codes of states in arrays, by progress; 0 is an unknown task. */
export const STATE_CODES = { waiting: 1, running: 2, failed: 3, done: 4 } as const satisfies Record<
  KnownTaskState,
  number
>;
const NAMES = Object.keys(STATE_CODES) as (keyof typeof STATE_CODES)[];

/** Sets of tasks by state, as text (`eachTaskRun`). */
export type TaskSets = Readonly<Partial<Record<KnownTaskState, string>>>;

/** States of a step's tasks in one round: one byte per task. */
export class TaskStates {
  #codes = new Uint8Array(64);
  #end = 0;

  get(task: number): number {
    return this.#codes[task] ?? 0;
  }

  set(task: number, state: KnownTaskState): void {
    if (task >= this.#codes.length) {
      const larger = new Uint8Array(Math.max(task + 1, this.#codes.length * 2));
      larger.set(this.#codes);
      this.#codes = larger;
    }
    this.#codes[task] = STATE_CODES[state];
    this.#end = Math.max(this.#end, task + 1);
  }

  sets(): TaskSets {
    const encoders = new Map<number, TaskRunsEncoder>();
    for (let from = 0, to = 0; from < this.#end; from = to) {
      const code = this.#codes[from] ?? 0;
      for (to = from + 1; to < this.#end && this.#codes[to] === code; ) to += 1;
      if (code === 0) continue;
      const encoder = encoders.get(code) ?? new TaskRunsEncoder();
      encoders.set(code, encoder);
      encoder.add(from, to);
    }
    return Object.fromEntries(
      NAMES.flatMap((name) => {
        const text = encoders.get(STATE_CODES[name])?.toString();
        return text === undefined ? [] : [[name, text]];
      }),
    );
  }
}

/** Calls `visit` with the runs of all sets and their state's code. */
export function eachStateRun(sets: TaskSets, visit: (code: number, from: number, to: number) => void): void {
  for (const name of NAMES) {
    const text = sets[name];
    if (text !== undefined) eachTaskRun(text, (from, to) => visit(STATE_CODES[name], from, to));
  }
}
