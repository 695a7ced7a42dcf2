import { hostname } from 'node:os';
import { BatchctlError } from '../errors.ts';
import { keeperId } from '../jobs/keeper.ts';
import { Keeping, type KeepingPoint } from '../jobs/keeping.ts';
import { type Trouble, Troubles } from '../jobs/troubles.ts';
import { LoopWatch } from '../lib/loop-watch.ts';
import { wait } from '../lib/wait.ts';
import { lookAgainMs, MINUTE_MS, untilNextMs } from '../model/round-pace.ts';
import { nextFirings } from '../model/schedule.ts';
import type { Platform } from '../ports/platform.ts';
import { type DutyHealth, DutyLoop } from './duty-loop.ts';
import { Firings } from './firings.ts';
import type { Log } from './log.ts';
import { firedLines, loweredLines, missedLines, movedLines, raisedLines, troubleLine } from './rounds-lines.ts';
import { info } from './log.ts';

export interface RoundsOptions {
  readonly platform: Platform;
  /** Tells this process apart from others of its host: the port that it listens at. */
  readonly name: string;
  readonly log: Log;
  /** Milliseconds without a sign after which a part is taken to hang. */
  readonly loopMs: number;
  readonly passed?: (point: KeepingPoint) => void;
  /** Told of what nobody here can mend: the process should end, and be started again. */
  readonly onFatal: (error: BatchctlError) => void;
}

/** A firing without a sign of progress for so many times `loopMs` is taken to hang: a large input is read meanwhile. */
const FIRING_LIMITS = 12;

/**
 * What a keeper does, again and again, each duty at its own pace and none in the way of another. It keeps nothing that
 * is not in the store: killed anywhere, another one goes on.
 */
export class Rounds {
  readonly #options: RoundsOptions;
  readonly #stop = new AbortController();
  readonly #watch: LoopWatch;
  readonly #loops: ReadonlyMap<string, DutyLoop>;
  /** What each duty had to tell at its last run. */
  readonly #troubles = new Map<string, Troubles>();
  #kept: Promise<Kept> | null = null;
  #ended: Promise<unknown> = Promise.resolve();
  /** When the last whole runs of what makes a round began, since the last mark: milliseconds since the epoch. */
  #fired: number | null = null;
  #looked: number | null = null;

  constructor(options: RoundsOptions) {
    this.#options = options;
    const { clock } = options.platform;
    const duties = {
      'the schedules': () => this.#schedules(),
      'the look at open jobs': () => this.#look(),
      'the deliveries': () => this.#deliver(),
      "the groups' sizes": () => this.#lower(),
      "the keeper's mark": () => this.#mark(),
    };
    const names = Object.keys(duties);
    this.#watch = new LoopWatch('the manager', names, options.loopMs);
    this.#loops = new Map(
      Object.entries(duties).map(([name, run], part) => {
        const duty = { name, run, onTrouble: (error: unknown) => this.#troublesOf(name).add(name, error) };
        const loop = new DutyLoop(duty, { of: this.#watch, part }, { signal: this.#stop.signal, now: () => clock.now() });
        return [name, loop];
      }),
    );
  }

  /** Begins; `stop` ends it. */
  start(): void {
    this.#ended = Promise.all([...this.#loops.values()].map((loop) => loop.run()));
  }

  /** Somebody changed something: jobs are looked at, and schedules read, soon. */
  nudge(): void {
    for (const name of ['the look at open jobs', 'the schedules']) this.#loops.get(name)?.nudge();
  }

  health(): readonly DutyHealth[] {
    return [...this.#loops.values()].map((loop) => loop.health());
  }

  /** Begins nothing more, and waits for what goes on, for so many milliseconds at most: what is left others do. */
  async stop(ms: number): Promise<void> {
    this.#stop.abort();
    const waited = new AbortController();
    const ended = Promise.all([this.#ended, this.#background()]);
    await Promise.race([ended, wait(ms, waited.signal)]);
    waited.abort();
    await this.#watch.close();
  }

  async #background(): Promise<void> {
    const kept = await this.#kept?.catch(() => null);
    await Promise.all([kept?.firings.idle(), kept?.keeping.delivered()]);
  }
}
