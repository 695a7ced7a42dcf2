import { setMaxListeners } from 'node:events';
import type { BatchctlError } from '../errors.ts';
import type { KeepingPoint } from '../jobs/watch/tick.ts';
import { LoopWatch } from '../lib/loop-watch.ts';
import { wait } from '../lib/wait.ts';
import type { DutyHealth } from '../model/manager-health.ts';
import type { Platform } from '../ports/platform.ts';
import { Duties, DutyLoop, type DutyName } from './duties.ts';
import type { Log } from './log.ts';

export interface RoundsOptions {
  readonly platform: Platform;
  /** The id under which it puts its mark. */
  readonly id: string;
  readonly log: Log;
  /** Milliseconds: a duty without a sign of life for six times as long hangs, and ends the process. */
  readonly loopMs: number;
  readonly passed?: (point: KeepingPoint) => void;
  /** Called for a firing that hangs: the process should end, and be restarted. */
  readonly onHung: (error: BatchctlError) => void;
}

/**
 * A keeper's recurring duties, each at its own interval and independent of the others. All state is in the store: if it
 * is killed at any point, another one continues.
 */
export class Rounds {
  readonly #stop = new AbortController();
  readonly #watch: LoopWatch;
  readonly #duties: Duties;
  readonly #loops: ReadonlyMap<DutyName, DutyLoop>;
  #ended: Promise<unknown> = Promise.resolve();

  constructor({ platform, id, log, loopMs, passed, onHung }: RoundsOptions) {
    const { signal } = this.#stop;
    // Every duty, and everything that runs, listens.
    setMaxListeners(0, signal);
    const nudge = (duty: DutyName): void => this.#loops.get(duty)?.nudge();
    this.#duties = new Duties({ platform, id, log, signal, nudge, onHung, ...(passed && { passed }) });
    const all = [...this.#duties.all];
    const parts = all.map(([name]) => `its duty "${name}"`);
    const watch = new LoopWatch('the manager', parts, loopMs);
    this.#watch = watch;
    const now = (): number => platform.clock.now();
    this.#loops = new Map(
      all.map(([name, duty], part) => [name, new DutyLoop(duty, { of: watch, part }, { signal, now })]),
    );
  }

  /** Begins; `stop` ends it. */
  start(): void {
    this.#ended = Promise.all([...this.#loops.values()].map((loop) => loop.run()));
  }

  /** Something was changed: schedules are read, and jobs looked at, soon. */
  nudge(): void {
    for (const name of ['schedules', 'jobs'] as const) this.#loops.get(name)?.nudge();
  }

  health(): readonly DutyHealth[] {
    return [...this.#loops.values()].map((loop) => loop.health());
  }

  /** Begins nothing more, and waits for what runs, at most `ms` milliseconds: others do the rest. */
  async stop(ms: number): Promise<void> {
    this.#stop.abort();
    const waited = new AbortController();
    await Promise.race([Promise.all([this.#ended, this.#duties.idle()]), wait(ms, waited.signal)]);
    waited.abort();
    await this.#watch.close();
  }
}
