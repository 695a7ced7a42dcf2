import { BatchctlError, messageOf } from '../errors.ts';
import { Troubles, troubleText } from '../jobs/keeper-mark.ts';
import { type FireRoundResult, KeeperDuties, type KeeperPoint } from '../jobs/tick.ts';
import { isoOf } from '../lib/instant.ts';
import type { LoopPart } from '../lib/loop-watch.ts';
import { Permits } from '../lib/parallel.ts';
import { jitter, wait } from '../lib/wait.ts';
import type { DutyHealth } from '../model/manager-health.ts';
import { nextFiring, type Schedule } from '../model/schedule.ts';
import type { Platform } from '../ports/platform.ts';
import {
  firedLines,
  info,
  type Log,
  type LogLine,
  loweredLines,
  missedLines,
  movedLines,
  raisedLines,
  troubleLine,
} from './log.ts';

export interface DutiesOptions {
  readonly platform: Platform;
  /** The id under which it puts its mark. */
  readonly id: string;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** For crash tests. */
  readonly passed?: (point: KeeperPoint) => void;
  readonly nudge: (duty: DutyName) => void;
  /** Called for a firing that hangs: the process should end, and be restarted. */
  readonly onHung: (error: BatchctlError) => void;
}

export type DutyName = 'schedules' | 'jobs' | 'deliveries' | 'news' | 'metrics' | 'sizes' | 'mark';

interface OpenDuties {
  readonly keeping: KeeperDuties;
  readonly firings: Firings;
}

/** A keeper's duties in a manager: each run returns when the duty is to run again. */
export class Duties {
  readonly #options: DutiesOptions;
  /** The troubles of each duty, and of each schedule, at its last run. */
  readonly #troubles = new Map<string, Troubles>();
  /** The troubles of each duty's last completed run. */
  readonly #lastTroubles = new Map<string, Troubles>();
  /** The troubles that the last process of this id reported. */
  #reported: Readonly<Record<string, string>> = {};
  #open: Promise<OpenDuties> | null = null;
  /** Start of the last runs that make up a whole round, since the last mark (milliseconds since the epoch). */
  #firedAt: number | null = null;
  #lookedAt: number | null = null;

  constructor(options: DutiesOptions) {
    this.#options = options;
  }

  get all(): ReadonlyMap<DutyName, Duty> {
    const duty = (name: DutyName, run: (open: OpenDuties, troubles: Troubles) => Promise<number>): [DutyName, Duty] => [
      name,
      {
        name,
        run: async () => {
          const open = await this.#ensureOpen().catch((error: unknown) => {
            this.#newTroubles(name);
            throw error;
          });
          const troubles = this.#newTroubles(name);
          const again = await run(open, troubles);
          this.#lastTroubles.set(name, troubles);
          return again;
        },
        onTrouble: (error) => this.#troubles.get(name)?.add(name, error),
        onRecovered: (tries) =>
          this.#logLines([info('recovered', `${name}: succeeded again, after ${tries} tries`, { duty: name, tries })]),
        troubles: () => this.#troublesOf(name),
      },
    ];
    return new Map([
      duty('schedules', (open, troubles) => this.#fireSchedules(open, troubles)),
      duty('jobs', (open, troubles) => this.#lookAtJobs(open, troubles)),
      duty('deliveries', (open, troubles) => this.#deliver(open, troubles)),
      duty('news', (open, troubles) => this.#notify(open, troubles)),
      duty('metrics', (open, troubles) => this.#publishMetrics(open, troubles)),
      duty('sizes', (open, troubles) => this.#lowerGroups(open, troubles)),
      duty('mark', (open) => this.#leaveMark(open)),
    ]);
  }

  /** Firings report troubles of their own: those of each schedule belong to the schedules' duty. */
  #troublesOf(name: DutyName): readonly string[] {
    const firings = name === 'schedules' ? [...this.#troubles].filter(([of]) => of.startsWith(FIRING_PREFIX)) : [];
    const all = [this.#lastTroubles.get(name), ...firings.map(([, troubles]) => troubles)];
    return all.flatMap((troubles) => (troubles?.all ?? []).map(({ about, error }) => troubleText(about, error)));
  }

  /** Resolves when nothing runs that outlasts a duty's run. Never rejects. */
  async idle(): Promise<void> {
    const open = await this.#open?.catch(() => null);
    await Promise.all([open?.firings.idle(), open?.keeping.waitForDeliveries(), open?.keeping.waitForNotices()]);
  }

  /** The store may be unavailable when a manager starts: retries until it isn't. */
  async #ensureOpen(): Promise<OpenDuties> {
    this.#open ??= this.#openNow();
    try {
      return await this.#open;
    } catch (error) {
      this.#open = null;
      throw error;
    }
  }

  async #openNow(): Promise<OpenDuties> {
    const { platform, id, signal, passed, nudge } = this.#options;
    const { keeping, told } = await KeeperDuties.open(platform, {
      id,
      kind: 'manager',
      signal,
      ...(passed && { passed }),
    });
    const firings = new Firings({
      keeping,
      now: () => platform.clock.monotonic(),
      troublesOf: (schedule) => this.#newTroubles(`${FIRING_PREFIX}${schedule}`),
      onFired: ({ fired, raised }) => {
        this.#logLines([...firedLines(fired), ...raisedLines(raised)]);
        if (fired.some(({ outcome }) => outcome === 'fired')) nudge('jobs');
      },
    });
    this.#reported = told;
    return { keeping, firings };
  }

  /** Fires what is due at its instant: the next run is at the next firing, or when something changes. */
  async #fireSchedules({ keeping, firings }: OpenDuties, troubles: Troubles): Promise<number> {
    const { clock } = this.#options.platform;
    const began = clock.now();
    const schedules = await keeping.schedules(troubles);
    this.#forgetRemoved(schedules);
    this.#logLines(missedLines(await keeping.findMissed(schedules, began)));
    firings.begin(schedules);
    const hung = firings.hungFiring();
    if (hung !== null) this.#options.onHung(hung);
    this.#firedAt = began;
    const coming = schedules.flatMap((schedule) => nextFiring(schedule, began) ?? []);
    return untilNextMs(coming, clock.now());
  }

  async #lookAtJobs({ keeping }: OpenDuties, troubles: Troubles): Promise<number> {
    const { platform, nudge } = this.#options;
    const began = platform.clock.now();
    const { moved, raised } = await keeping.watchJobs(troubles);
    this.#lookedAt = began;
    this.#logLines([...movedLines(moved), ...raisedLines(raised)]);
    if (moved.some(({ move }) => move === 'close')) nudge('deliveries');
    return lookIntervalMs({ open: keeping.open, paid: platform.workplace.paysRequests });
  }

  async #deliver({ keeping }: OpenDuties, troubles: Troubles): Promise<number> {
    const left = await keeping.deliver(troubles, (line) => this.#logLines([info('delivered', line)]));
    return left === 0 ? MINUTE_MS : lookIntervalMs({ open: left, paid: this.#options.platform.workplace.paysRequests });
  }

  /** A failed notification is retried after a minute at the earliest. */
  async #notify({ keeping }: OpenDuties, troubles: Troubles): Promise<number> {
    await keeping.notify(troubles);
    return MINUTE_MS;
  }

  async #publishMetrics({ keeping }: OpenDuties, troubles: Troubles): Promise<number> {
    await keeping.publishMetrics(troubles);
    return MINUTE_MS;
  }

  async #lowerGroups({ keeping }: OpenDuties, troubles: Troubles): Promise<number> {
    this.#logLines(loweredLines(await keeping.lowerGroups(troubles)));
    return MINUTE_MS;
  }

  /** Only a whole round puts a mark: since the last one, schedules were read and open jobs looked at. */
  async #leaveMark({ keeping }: OpenDuties): Promise<number> {
    if (this.#firedAt === null || this.#lookedAt === null) return SOON_MS;
    const began = Math.min(this.#firedAt, this.#lookedAt);
    [this.#firedAt, this.#lookedAt] = [null, null];
    await keeping.writeMark(began, Object.assign({}, ...[...this.#troubles.values()].map(({ told }) => told)));
    return MINUTE_MS;
  }

  /** Drops the troubles of removed schedules. */
  #forgetRemoved(schedules: readonly Schedule[]): void {
    const there = new Set(schedules.map(({ name }) => `${FIRING_PREFIX}${name}`));
    for (const of of this.#troubles.keys())
      if (of.startsWith(FIRING_PREFIX) && !there.has(of)) this.#troubles.delete(of);
  }

  #newTroubles(of: string): Troubles {
    const before = this.#troubles.get(of)?.told ?? this.#reported;
    const troubles = new Troubles(before, this.#options.platform.clock.now(), (trouble) => {
      if (trouble.news) this.#options.log(troubleLine(trouble));
    });
    this.#troubles.set(of, troubles);
    return troubles;
  }

  #logLines(lines: readonly LogLine[]): void {
    for (const line of lines) this.#options.log(line);
  }
}

/** Prefix of the names under which firings report their troubles. */
const FIRING_PREFIX = 'schedule ';
/** Interval until the first round is whole, milliseconds. */
const SOON_MS = 500;

interface Duty {
  /** `the look at open jobs` */
  readonly name: string;
  /** Runs it once; returns after how many milliseconds to run it again. Throws if it could not be done. */
  readonly run: () => Promise<number>;
  readonly onTrouble: (error: unknown) => void;
  /** Called when it succeeds again, with the number of failed tries. */
  readonly onRecovered: (tries: number) => void;
  /** The failures of its last completed run. */
  readonly troubles: () => readonly string[];
}

/** Minimum rest between runs, however often it is asked for, milliseconds. */
const REST_MS = 200;

/** One run at a time, whatever it throws, and less often while it fails. The watch ends a process that hangs. */
export class DutyLoop {
  readonly #duty: Duty;
  readonly #watch: LoopPart;
  readonly #signal: AbortSignal;
  readonly #now: () => number;
  #rest = new AbortController();
  #asked = false;
  #failures = 0;
  #done: number | null = null;
  #began: number | null = null;
  #failing: { readonly since: number; readonly message: string } | null = null;

  constructor(
    duty: Duty,
    watch: LoopPart,
    { signal, now }: { readonly signal: AbortSignal; readonly now: () => number },
  ) {
    this.#duty = duty;
    this.#watch = watch;
    this.#signal = signal;
    this.#now = now;
    signal.addEventListener('abort', () => this.#rest.abort(), { once: true });
  }

  /** Resolves after it was told to stop and its last run has ended. Never rejects. */
  async run(): Promise<void> {
    while (!this.#signal.aborted) {
      this.#asked = false;
      const restMs = await this.#runOnce();
      // Asked for during the run: the change may have come too late for it.
      this.#rest = new AbortController();
      await wait(REST_MS, this.#signal);
      if (!this.#asked && !this.#signal.aborted) await wait(restMs - REST_MS, this.#rest.signal);
    }
  }

  /** Asks for it to run soon. While it fails it keeps its interval. */
  nudge(): void {
    if (this.#failures > 0) return;
    this.#asked = true;
    this.#rest.abort();
  }

  health(): DutyHealth {
    return {
      duty: this.#duty.name,
      done: isoOf(this.#done),
      running: isoOf(this.#began),
      failing: this.#failing === null ? null : { ...this.#failing, since: isoOf(this.#failing.since) },
      troubles: this.#duty.troubles(),
    };
  }

  async #runOnce(): Promise<number> {
    this.#watch.mark('work');
    this.#began = this.#now();
    try {
      const again = await this.#duty.run();
      if (this.#failures > 0) this.#duty.onRecovered(this.#failures);
      this.#failures = 0;
      this.#failing = null;
      this.#done = this.#now();
      return again;
    } catch (error) {
      this.#failures += 1;
      this.#failing = { since: this.#failing?.since ?? this.#now(), message: messageOf(error) };
      if (!this.#signal.aborted) this.#duty.onTrouble(error);
      return jitter(failureDelayMs(this.#failures));
    } finally {
      this.#began = null;
      this.#watch.done();
    }
  }
}

export interface FiringsOptions {
  readonly keeping: Pick<KeeperDuties, 'fire'>;
  /** The troubles of a schedule's last firing, to which new ones are added. */
  readonly troublesOf: (schedule: string) => Troubles;
  readonly onFired: (fired: FireRoundResult) => void;
  readonly now: () => number;
}

/** Concurrent submissions: each may read its whole input. */
const AT_ONCE = 4;
/** Milliseconds without a sign of life after which a firing hangs: between two it may read a whole large input. */
const HUNG_MS = 3 * 3_600_000;

/** Fires each schedule separately, so that one whose input takes an hour to split doesn't delay the others. */
export class Firings {
  readonly #options: FiringsOptions;
  readonly #permits = new Permits(AT_ONCE);
  /** Running firings, with the time of each one's last sign of life: monotonic milliseconds. */
  readonly #activeAt = new Map<string, number>();
  readonly #running = new Set<Promise<void>>();

  constructor(options: FiringsOptions) {
    this.#options = options;
  }

  /** Begins what is due in schedules that aren't being fired. Errors are reported, never thrown. */
  begin(schedules: readonly Schedule[]): void {
    for (const schedule of schedules) {
      if (this.#activeAt.has(schedule.name)) continue;
      this.#noteActivity(schedule.name);
      const firing = this.#fire(schedule).finally(() => {
        this.#activeAt.delete(schedule.name);
        this.#running.delete(firing);
      });
      this.#running.add(firing);
    }
  }

  /** An error for the firing without a sign of life for hours; null if there is none. */
  hungFiring(): BatchctlError | null {
    const since = this.#options.now() - HUNG_MS;
    const [schedule] = [...this.#activeAt].find(([, sign]) => sign < since) ?? [];
    if (schedule === undefined) return null;
    return new BatchctlError(
      'unavailable',
      `the firing of ${schedule} showed no activity for ${HUNG_MS / 3_600_000} h`,
    );
  }

  /** Resolves when the running ones have ended. Never rejects. */
  async idle(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #fire(schedule: Schedule): Promise<void> {
    const { keeping, troublesOf, onFired } = this.#options;
    const troubles = troublesOf(schedule.name);
    try {
      // Waiting for its turn isn't hanging.
      const timer = setInterval(() => this.#noteActivity(schedule.name), 60_000).unref();
      const done = await this.#permits.with(async () => {
        clearInterval(timer);
        return keeping.fire([schedule], troubles, { onSign: () => this.#noteActivity(schedule.name) });
      });
      onFired(done);
    } catch (error) {
      troubles.add(`schedule ${schedule.name}`, error);
    }
  }

  #noteActivity(schedule: string): void {
    this.#activeAt.set(schedule, this.#options.now());
  }
}

/**
 * Milliseconds between two looks at the open jobs: the longest that a gather, a close or a resend waits. `paid`:
 * requests to the store cost money. A look makes some per job, so if there are many jobs, each is looked at
 * less often: four per second, but each at least once a minute.
 */
export function lookIntervalMs({ open, paid }: { readonly open: number; readonly paid: boolean }): number {
  if (!paid) return open === 0 ? 2_000 : Math.min(Math.max(1_000, 50 * open), 60_000);
  return open === 0 ? 15_000 : Math.min(Math.max(5_000, 250 * open), 60_000);
}

/** Milliseconds before the next try after this many consecutive failures, without jitter. */
export function failureDelayMs(failures: number): number {
  return Math.min(1_000 * 2 ** Math.max(0, failures - 1), 60_000);
}

/** Interval of what is due in any case: schedules are read again, sizes are lowered, the keeper's mark is put. */
const MINUTE_MS = 60_000;

/** Milliseconds until the earliest of the instants, at most a minute: a clock may be set in that time. */
export function untilNextMs(instants: readonly number[], now: number): number {
  return Math.min(MINUTE_MS, ...instants.map((at) => Math.max(0, at - now)));
}
