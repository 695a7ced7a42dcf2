import { groupBy } from '../../model/group-by.ts';
import { ledgerAttemptsKey, ledgerTotalsKey } from '../../model/keys.ts';
import type { AttemptEvent } from '../../model/ledger/records.ts';
import {
  addTaskAttempts,
  mergeAll,
  mergeAttempt,
  type SumsByRound,
  statesByRound,
  sumsOf,
} from '../../model/ledger/transitions.ts';
import { type AttemptObjects, attemptLine, compareAttempts, type LedgerObjects } from './attempt-objects.ts';
import { readAttempts } from './read-attempts.ts';
import type { Snapshot } from './snapshot.ts';
import { TaskStates } from './task-states.ts';
import { type AttemptsObject, roundTotals, type Totals } from './totals.ts';

/** From this many characters on, recent attempts are moved to an object of their own: each flush puts all of them. */
const RECENT_CHARACTERS = 64 * 1024;

/** A step as this writer knows it: bits, sums, and the attempts of each task with a recent or running attempt. */
interface StepState {
  readonly sums: SumsByRound;
  readonly states: Map<number, TaskStates>;
  /** Tasks whose attempts by others this writer recorded. */
  readonly others: TaskStates;
  readonly attempts: Map<number, readonly AttemptEvent[]>;
}

/** One writer's records of one job. Calls must not overlap. */
export class JobWriter {
  readonly #store: LedgerObjects;
  readonly #objects: AttemptObjects;
  readonly #job: string;
  readonly #writer: string;
  readonly #worker: string;
  readonly #steps = new Map<string, StepState>();
  readonly #moved: AttemptsObject[] = [];
  #recent = new Map<string, AttemptEvent>();
  #isDirty = false;

  /** `worker`: attempts of this worker are the writer's own; `writer`: its unique name in keys. */
  constructor(
    store: LedgerObjects,
    objects: AttemptObjects,
    { job, writer, worker }: { readonly job: string; readonly writer: string; readonly worker: string },
  ) {
    this.#store = store;
    this.#objects = objects;
    this.#job = job;
    this.#writer = writer;
    this.#worker = worker;
  }

  /**
   * Records events of this job. `snapshot` is called only if others may know the events already. If the put fails, the
   * events are kept, and the next flush puts them.
   */
  async record(events: readonly AttemptEvent[], now: number, snapshot: () => Promise<Snapshot>): Promise<void> {
    for (const [step, tasks] of groupByStep(await this.#withoutKnown(events, snapshot))) {
      const state = this.#stateOf(step);
      await this.#load(step, state, [...tasks.keys()]);
      for (const [task, taskEvents] of tasks) this.#add(state, task, taskEvents, now);
    }
    if (this.#isDirty) await this.#flush();
  }

  /** Drops other workers' events that some writer has already recorded: a rebuild sends them again. */
  async #withoutKnown(
    events: readonly AttemptEvent[],
    snapshot: () => Promise<Snapshot>,
  ): Promise<readonly AttemptEvent[]> {
    const foreign = events.filter((event) => event.worker !== this.#worker);
    if (foreign.length === 0) return events;
    const seen = await snapshot();
    const known = new Set<AttemptEvent>();
    for (const [step, tasks] of groupByStep(foreign)) {
      const view = seen.step(step);
      const shared = new Set([...tasks.keys()].filter((task) => view.code(task) !== 0));
      const attempts = await readAttempts(this.#objects, seen, { job: this.#job, step }, shared);
      for (const [task, taskEvents] of tasks) {
        const merged = new Map(attempts.get(task)?.merged.map((each) => [each.attempt, each]));
        for (const event of taskEvents) {
          const before = merged.get(event.attempt);
          if (before !== undefined && mergeAttempt(before, event) === before) known.add(event);
        }
      }
    }
    return events.filter((event) => !known.has(event));
  }

  #stateOf(step: string): StepState {
    const empty = { sums: new Map(), states: new Map(), others: new TaskStates(), attempts: new Map() };
    const state = this.#steps.get(step) ?? empty;
    this.#steps.set(step, state);
    return state;
  }

  /** Reads again what this writer moved out of memory. */
  async #load(step: string, state: StepState, tasks: readonly number[]): Promise<void> {
    const absent = tasks.filter(
      (task) => !state.attempts.has(task) && [...state.states.values()].some((states) => states.get(task) !== 0),
    );
    if (absent.length === 0) return;
    const wanted = new Set(absent);
    const events = await this.#objects.read(this.#job, this.#totals(''), step, wanted);
    for (const [task, taskEvents] of groupByTask(events)) state.attempts.set(task, mergeAll(taskEvents));
  }

  #add(state: StepState, task: number, events: readonly AttemptEvent[], now: number): void {
    const before = state.attempts.get(task) ?? [];
    const old = new Map(before.map((each) => [each.attempt, each]));
    const after = mergeAll([...before, ...events]);
    const changed = after.filter((each) => old.get(each.attempt) !== each);
    if (changed.length === 0) return;
    this.#isDirty = true;
    addTaskAttempts(state.sums, before, -1);
    addTaskAttempts(state.sums, after, 1);
    state.attempts.set(task, after);
    for (const attempt of changed) {
      this.#recent.set(`${attempt.step}/${task}/${attempt.attempt}`, attempt);
      sumsOf(state.sums, attempt.round).movedAt = now;
      if (attempt.worker !== this.#worker) state.others.set(task, 'waiting');
    }
    for (const [round, standing] of statesByRound(after)) {
      const states = state.states.get(round) ?? new TaskStates();
      state.states.set(round, states);
      states.set(task, standing);
    }
  }

  /** Putting the totals' object is the commit. It names the moved objects; until then the older one has them. */
  async #flush(): Promise<void> {
    let recent = linesText(this.#recent.values());
    if (recent.length > RECENT_CHARACTERS) {
      await this.#move([...this.#recent.values()].sort(compareAttempts));
      recent = '';
    }
    await this.#store.put(ledgerTotalsKey(this.#job, this.#writer), JSON.stringify(this.#totals(recent)));
    this.#isDirty = false;
  }

  async #move(attempts: readonly AttemptEvent[]): Promise<void> {
    const n = this.#moved.length;
    await this.#store.put(ledgerAttemptsKey(this.#job, this.#writer, n), linesText(attempts));
    const tasks: Record<string, [number, number]> = {};
    for (const { step, task } of attempts) tasks[step] = [tasks[step]?.[0] ?? task, task];
    this.#moved.push({ n, tasks });
    this.#recent = new Map();
    for (const state of this.#steps.values()) {
      for (const [task, taskAttempts] of state.attempts)
        if (taskAttempts.every(({ outcome }) => outcome !== 'running')) state.attempts.delete(task);
    }
  }

  #totals(recent: string): Totals {
    const steps: Record<string, Totals['steps'][string]> = {};
    for (const [step, { sums, states, others }] of this.#steps) {
      const rounds = [...sums].map(([round, sum]) => [round, roundTotals(sum, states.get(round)?.sets() ?? {})]);
      const { waiting } = others.sets();
      steps[step] = { rounds: Object.fromEntries(rounds), ...(waiting !== undefined && { others: waiting }) };
    }
    return { format: 1, writer: this.#writer, objects: this.#moved, recent, steps };
  }
}

/** Cached lines: each flush puts all recent attempts, and most are unchanged. */
const LINES = new WeakMap<AttemptEvent, string>();

function linesText(attempts: Iterable<AttemptEvent>): string {
  return Array.from(attempts, lineOf).join('');
}

function lineOf(attempt: AttemptEvent): string {
  const known = LINES.get(attempt);
  if (known !== undefined) return known;
  const line = `${attemptLine(attempt)}\n`;
  LINES.set(attempt, line);
  return line;
}

function groupByStep(
  events: readonly AttemptEvent[],
): ReadonlyMap<string, ReadonlyMap<number, readonly AttemptEvent[]>> {
  return new Map([...groupBy(events, ({ step }) => step)].map(([step, stepEvents]) => [step, groupByTask(stepEvents)]));
}

const groupByTask = (events: readonly AttemptEvent[]) => groupBy(events, ({ task }) => task);
