import { BatchctlError } from '../errors.ts';
import type { NextMove } from '../model/decide.ts';
import type { Schedule } from '../model/schedule.ts';
import type { Firing } from '../model/schedule-times.ts';
import { groupFlag } from '../model/why/words.ts';
import type { Platform } from '../ports/platform.ts';
import { Deliveries } from './deliver/deliveries.ts';
import { type KeeperMark, latestKeeper, noted, putMark, readMark, recalled, tickId } from './keeper.ts';
import { type GroupLower, lowerIdle } from './lower.ts';
import { Onlooker } from './onlooker.ts';
import { type GroupRaise, type LateJob, raiseGroups } from './raise.ts';
import { type Fired, fireDue, missedFirings } from './schedules/fire-due.ts';
import { listSchedules } from './schedules/schedule-journal.ts';
import type { SubmitPoint } from './submit/submit.ts';

/** Each of these is passed when what it names is done: where the crash tests stop a tick. */
export type TickPoint = SubmitPoint | 'fired' | 'looked' | 'kept';

export interface TickOptions {
  /** True: says what is due, and does nothing. */
  readonly dryRun: boolean;
  readonly signal?: AbortSignal;
  readonly passed?: (point: TickPoint) => void;
}

/** Something that could not be done, while all else went on. */
export interface Trouble {
  /** What it is about: a job, a schedule, a group. */
  readonly about: string;
  readonly error: unknown;
  /** False: the same was told within the hour. */
  readonly news: boolean;
}

export interface Ticked {
  readonly keeper: string;
  readonly fired: readonly Fired[];
  /** Firings that nobody made in time, each told once. */
  readonly missed: readonly { readonly schedule: string; readonly firing: Firing }[];
  /** What was found due of open jobs, and done. */
  readonly moved: readonly { readonly job: string; readonly move: NextMove['move'] }[];
  readonly raised: readonly GroupRaise[];
  readonly lowered: readonly GroupLower[];
  /** What became of deliveries, in words. */
  readonly delivered: readonly string[];
  readonly troubles: readonly Trouble[];
}

/** How far back a miss is told of, and how many of one schedule: after a summer's standstill nobody reads a list of hours. */
const MISSED = { ms: 31 * 86_400_000, most: 10 } as const;
/** A trouble that lasts is told again after this: cron calls each minute. */
const TELL_AGAIN_MS = 3_600_000;

/**
 * One round of what a manager does: fires what is due of the schedules, looks on at open jobs (opens gathers, closes,
 * raises groups, resends, delivers), and leaves the mark of a keeper. Killed at any point, the next one does the rest.
 */
export async function tick(platform: Platform, options: TickOptions): Promise<Ticked> {
  const { clock, store } = platform;
  const id = tickId();
  const began = clock.now();
  const [mark, last] = await Promise.all([readMark(store, id), lastRound(platform)]);
  const troubles = new Troubles(mark, began);
  const schedules = await listSchedules(store, (name, error) => troubles.add(`schedule ${name}`, error));
  const fired = await fireDue(platform, schedules, options);
  for (const firing of fired) {
    if (firing.outcome === 'failed') troubles.add(`schedule ${firing.schedule}, ${firing.period}`, firing.error);
  }
  options.passed?.('fired');
  const missed = await missedSince(platform, schedules, last, began);
  const done = { keeper: id, fired, missed };
  if (options.dryRun) return { ...done, moved: [], raised: [], lowered: [], delivered: [], troubles: troubles.all };
  const looked = await lookOn(platform, { mark, fired, troubles, signal: options.signal });
  options.passed?.('looked');
  // One that was told to stop has not done its round.
  if (options.signal?.aborted !== true) {
    const { stood, due, short } = looked;
    const at = new Date(began).toISOString();
    await putMark(platform, { id, kind: 'tick', at, stood, due, short, told: troubles.told });
    options.passed?.('kept');
  }
  const { moved, raised, lowered, delivered } = looked;
  return { ...done, moved, raised, lowered, delivered, troubles: troubles.all };
}

/** When the last round of any keeper began, milliseconds since the epoch; null for none. */
async function lastRound(platform: Platform): Promise<number | null> {
  const latest = await latestKeeper(platform);
  const mark = latest === null ? null : await readMark(platform.store, latest.id);
  return mark === null ? null : Date.parse(mark.at);
}

async function missedSince(
  platform: Platform,
  schedules: readonly Schedule[],
  last: number | null,
  until: number,
): Promise<Ticked['missed']> {
  const from = Math.max(last ?? 0, until - MISSED.ms);
  return missedFirings(platform, schedules, { from, until, most: MISSED.most });
}

interface Looked extends Pick<Ticked, 'moved' | 'raised' | 'lowered' | 'delivered'>, Pick<KeeperMark, 'stood' | 'due'> {
  readonly short: NonNullable<KeeperMark['short']>;
}

interface LookOn {
  readonly mark: KeeperMark | null;
  readonly fired: readonly Fired[];
  readonly troubles: Troubles;
  readonly signal: AbortSignal | undefined;
}

/** A round of an onlooker, who remembers what the round before saw. */
async function lookOn(platform: Platform, { mark, fired, troubles, signal }: LookOn): Promise<Looked> {
  const { clock } = platform;
  const views = fired.flatMap((each) => (each.outcome === 'fired' ? [each.view] : []));
  // Of what was sent this moment the queues may not tell yet.
  const raised = [
    ...(platform.remote === true && views.length > 0 ? await raiseGroups(platform, views, { fresh: true }) : []),
  ];
  const onlooker = new Onlooker(platform, platform.leaseSeconds, (job, error) => troubles.add(`job ${job}`, error), {
    stood: recalled(clock, mark?.stood ?? {}),
    onRaised: (more) => raised.push(...more),
  });
  const looks = await onlooker.round();
  for (const each of raised) {
    if (each.outcome === 'failed') troubles.add(`group ${each.group}`, each.error);
    if ((each.outcome === 'raised' || each.outcome === 'enough') && each.late !== null)
      troubles.add(`group ${each.group}`, lateError(each.group, each.late));
  }
  const { lowered, short } = await lowerIdle(platform, recalled(clock, mark?.short ?? {}), (group, error) =>
    troubles.add(`group ${group}`, error),
  );
  const delivered: string[] = [];
  const deliveries = new Deliveries(
    platform,
    signal ?? new AbortController().signal,
    { info: (line) => delivered.push(line), warn: (line) => troubles.add('a delivery', new Error(line)) },
    undefined,
    recalled(clock, mark?.due ?? {}),
  );
  await deliveries.round();
  await deliveries.idle();
  return {
    moved: [...looks].flatMap(([job, { did }]) => did.map((move) => ({ job, move }))),
    ...{ raised, lowered, delivered },
    stood: noted(clock, onlooker.stood()),
    due: noted(clock, deliveries.seen()),
    short: noted(clock, short),
  };
}

/** The same words as long as the deadline is the same: when it would end is in the hint. */
function lateError(group: string, { job, ends, deadline, max }: LateJob): BatchctlError {
  const iso = (at: number): string => new Date(Math.round(at / 60_000) * 60_000).toISOString();
  const mend = max === null ? '' : `; batchctl scale --max ${max}${groupFlag(group)} lets its group grow`;
  return new BatchctlError('refused', `job ${job} is projected to end after its deadline, ${iso(deadline)}`, {
    hint: `it ends about ${iso(ends)}${mend}`,
  });
}

/** What went wrong in a round, and what of it was told lately. */
class Troubles {
  readonly #all: Trouble[] = [];
  readonly #told: Readonly<Record<string, string>>;
  readonly #now: number;

  constructor(mark: KeeperMark | null, now: number) {
    this.#told = mark?.told ?? {};
    this.#now = now;
  }

  add(about: string, error: unknown): void {
    const told = this.#told[textOf(about, error)];
    const news = told === undefined || this.#now - Date.parse(told) >= TELL_AGAIN_MS;
    this.#all.push({ about, error, news });
  }

  get all(): readonly Trouble[] {
    return this.#all;
  }

  /** Each trouble that lasts, with when it was told last. */
  get told(): KeeperMark['told'] {
    const now = new Date(this.#now).toISOString();
    const told = this.#all.map(({ about, error, news }): [string, string] => {
      const text = textOf(about, error);
      return [text, news ? now : (this.#told[text] ?? now)];
    });
    return Object.fromEntries(told);
  }
}

const textOf = (about: string, error: unknown): string =>
  `${about}: ${error instanceof Error ? error.message : String(error)}`.slice(0, 500);
