import { setMaxListeners } from 'node:events';
import { BatchctlError, exitCodeOf } from '../errors.ts';
import { wait } from '../lib/wait.ts';
import { scopeOf, type ValueCall, type ValueEnd, type Verb, type VerbRunner } from '../ports/verbs.ts';

/** How long an interrupted verb has to finish what can't be left half done, milliseconds. */
const LAST_MS = 10_000;

type Work = (signal: AbortSignal) => Promise<ValueEnd>;

/** Runs verbs through another runner, and knows which run: when told to leave, it accepts no more and ends those. */
export class RunningVerbs implements VerbRunner {
  readonly profile: string;
  readonly verbs: readonly Verb[];
  readonly #runner: VerbRunner;
  readonly #onChanged: () => void;
  readonly #byName: ReadonlyMap<string, Verb>;
  readonly #running = new Set<Promise<ValueEnd>>();
  /** Aborted at once for verbs that only read, and later for those that change something. */
  readonly #lookers = new AbortController();
  readonly #changers = new AbortController();

  /** `onChanged` is called when a verb that may have changed something has ended. */
  constructor(runner: VerbRunner, onChanged: () => void) {
    this.#runner = runner;
    this.profile = runner.profile;
    this.verbs = runner.verbs;
    this.#onChanged = onChanged;
    this.#byName = new Map(runner.verbs.map((verb) => [verb.name, verb]));
    setMaxListeners(0, this.#lookers.signal, this.#changers.signal);
  }

  call(call: ValueCall): Promise<ValueEnd> {
    return this.#track(call, (signal) => this.#runner.call({ ...call, signal }), leftEnd());
  }

  /**
   * Accepts no more. Verbs that only read end at once, with a hint that they may be retried; those that change
   * something have `ms` milliseconds.
   */
  async leave(ms: number): Promise<void> {
    this.#lookers.abort();
    await this.#idle(ms);
    this.#changers.abort();
    await this.#idle(LAST_MS);
  }

  async #track(call: ValueCall, work: Work, left: ValueEnd): Promise<ValueEnd> {
    if (this.#lookers.signal.aborted) return left;
    const running = this.#run(call, work, left);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  async #run(call: ValueCall, work: Work, left: ValueEnd): Promise<ValueEnd> {
    const verb = this.#byName.get(call.name);
    const looks = verb !== undefined && scopeOf(verb, call.input) === 'read';
    const leaving = (looks ? this.#lookers : this.#changers).signal;
    const stop = new AbortController();
    setMaxListeners(0, stop.signal); // one listener per request in flight is no leak
    const end = (): void => stop.abort();
    for (const signal of [call.signal, leaving]) {
      if (signal.aborted) end();
      signal.addEventListener('abort', end, { once: true });
    }
    try {
      const ended = await work(stop.signal);
      // A retry continues what it was doing when it was interrupted.
      return leaving.aborted && !call.signal.aborted && ended.error?.kind === 'interrupted' ? left : ended;
    } finally {
      for (const signal of [call.signal, leaving]) signal.removeEventListener('abort', end);
      if (!looks) this.#onChanged();
    }
  }

  async #idle(ms: number): Promise<void> {
    const waited = new AbortController();
    await Promise.race([Promise.allSettled(this.#running), wait(ms, waited.signal)]);
    waited.abort();
  }
}

function leftEnd(): ValueEnd {
  const error = new BatchctlError('unavailable', 'the manager is leaving', {
    hint: 'run the same command again once it is back; jobs continue meanwhile',
  });
  const { kind, message, hint = null } = error;
  return { answer: undefined, exitCode: exitCodeOf(error), error: { kind, message, hint, again: true } };
}
