import type { KnownTaskState } from '../../model/ledger/transitions.ts';
import { eachTaskRun, TaskRunsEncoder } from './task-runs.ts';

/** Codes of states in arrays, by how far they are; 0 is a task that nothing is known of. */
export const STATE_CODES = { waiting: 1, running: 2, failed: 3, done: 4 } as const satisfies Record<
  KnownTaskState,
  number
>;
const NAMES = Object.keys(STATE_CODES) as (keyof typeof STATE_CODES)[];

/** Sets of tasks by state, as text (`eachTaskRun`). */
export type TaskSets = Readonly<Partial<Record<KnownTaskState, string>>>;

/** States of a step's tasks in one round: one byte a task. */
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

  /** The tasks of each state. */
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

/** Tells the runs of all sets with their state's code. */
export function eachStateRun(sets: TaskSets, tell: (code: number, from: number, to: number) => void): void {
  for (const name of NAMES) {
    const text = sets[name];
    if (text !== undefined) eachTaskRun(text, (from, to) => tell(STATE_CODES[name], from, to));
  }
}
