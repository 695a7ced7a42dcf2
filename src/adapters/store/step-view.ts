import { eachStateRun, eachTaskRun, STATE_CODES } from './task-states.ts';
import type { Totals } from './totals.ts';

const { waiting: WAITING, running: RUNNING, failed: FAILED, done: DONE } = STATE_CODES;

/** What is known of a task besides its state: who says so, and whether their words agree. */
const SHARED = 1;
const TWO_ACTIVE = 2;
const RUNS = 4;
const OTHERS = 8;
const IS_DONE = 16;
const WAS_DONE = 32;

/**
 * A step's tasks as all writers together know them: a few bytes a task, made of their sets of tasks alone. Where two
 * writers' words about a task don't simply add up, it is disputed, and only its attempts can tell. That is rare: a
 * worker retries what failed elsewhere (adds up), takes over what a dead one ran (disputed).
 */
export class StepView {
  /** One more than the last task that is known. */
  readonly end: number;
  /** The highest round that anything was counted in; -1 for none. */
  readonly round: number;
  readonly #flags: Uint8Array;
  readonly #rounds: Uint16Array;
  readonly #codes: Uint8Array;
  readonly #oldRounds: Uint16Array;
  readonly #oldCodes: Uint8Array;
  readonly #exactRound: number;

  /** `exactRound`: the round in which exact totals were taken, -1 for none. */
  constructor(totals: readonly Totals[], step: string, exactRound: number) {
    this.#exactRound = exactRound;
    this.end = endOf(totals, step);
    this.round = Math.max(-1, ...totals.flatMap((each) => Object.keys(each.steps[step]?.rounds ?? {}).map(Number)));
    this.#flags = new Uint8Array(this.end);
    this.#rounds = new Uint16Array(this.end);
    this.#codes = new Uint8Array(this.end);
    this.#oldRounds = new Uint16Array(exactRound < 0 ? 0 : this.end);
    this.#oldCodes = new Uint8Array(exactRound < 0 ? 0 : this.end);
    const tellers = new Uint16Array(this.end);
    const actives = new Uint16Array(this.end);
    for (const [index, { steps }] of totals.entries()) {
      const own = steps[step];
      if (own === undefined) continue;
      for (const [key, { tasks }] of Object.entries(own.rounds)) {
        eachStateRun(tasks, (code, from, to) => {
          for (let task = from; task < to; task += 1) this.#add(task, Number(key), code, index + 1, tellers, actives);
        });
      }
      eachTaskRun(own.others ?? '', (from, to) => {
        for (let task = from; task < to; task += 1) this.#mark(task, OTHERS);
      });
    }
  }

  /** The code of the task's state, 0 where nothing is known; of a disputed one a guess. */
  code(task: number): number {
    return this.#flag(task, IS_DONE) ? DONE : (this.#codes[task] ?? 0);
  }

  /** The latest round in which the task was tried. */
  roundOf(task: number): number {
    return this.#rounds[task] ?? 0;
  }

  /** What the task was when exact totals were taken: the code of done or failed, or 0 for anything else. */
  codeBefore(task: number): number {
    if (this.#flag(task, WAS_DONE)) return DONE;
    return this.#oldCodes[task] === FAILED ? FAILED : 0;
  }

  /** True when only the task's attempts can tell what it came to. */
  isDisputed(task: number): boolean {
    const flags = this.#flags[task] ?? 0;
    return (flags & SHARED) !== 0 && (flags & (TWO_ACTIVE | RUNS | OTHERS)) !== 0;
  }

  /** Every disputed task, ascending. */
  disputed(): readonly number[] {
    const found: number[] = [];
    for (let task = 0; task < this.end; task += 1) if (this.isDisputed(task)) found.push(task);
    return found;
  }

  #add(task: number, round: number, code: number, writer: number, tellers: Uint16Array, actives: Uint16Array): void {
    if (tellers[task] !== 0 && tellers[task] !== writer) this.#mark(task, SHARED);
    tellers[task] = writer;
    if (code !== WAITING) {
      if (actives[task] !== 0 && actives[task] !== writer) this.#mark(task, TWO_ACTIVE);
      actives[task] = writer;
    }
    if (code === RUNNING) this.#mark(task, RUNS);
    if (code === DONE) this.#mark(task, round <= this.#exactRound ? IS_DONE | WAS_DONE : IS_DONE);
    raise(this.#rounds, this.#codes, task, round, code);
    if (round <= this.#exactRound) raise(this.#oldRounds, this.#oldCodes, task, round, code);
  }

  #mark(task: number, flags: number): void {
    this.#flags[task] = (this.#flags[task] ?? 0) | flags;
  }

  #flag(task: number, flag: number): boolean {
    return ((this.#flags[task] ?? 0) & flag) !== 0;
  }
}

/** The later round decides, within a round the state that is further. */
function raise(rounds: Uint16Array, codes: Uint8Array, task: number, round: number, code: number): void {
  const [known, at] = [codes[task] ?? 0, rounds[task] ?? 0];
  if (known !== 0 && (at > round || (at === round && known >= code))) return;
  rounds[task] = round;
  codes[task] = code;
}

function endOf(totals: readonly Totals[], step: string): number {
  let end = 0;
  for (const { steps } of totals) {
    for (const { tasks } of Object.values(steps[step]?.rounds ?? {}))
      eachStateRun(tasks, (_code, _from, to) => {
        end = Math.max(end, to);
      });
  }
  return end;
}
