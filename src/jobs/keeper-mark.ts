import { hostname } from 'node:os';
import { messageOf, nullIfBatchctlError, nullIfUnreadable } from '../errors.ts';
import { readStored } from '../lib/json.ts';
import { VERSION } from '../lib/version.ts';
import { KEEPERS_PREFIX, keeperKey, keeperOf } from '../model/keys.ts';
import type { WorkerTallies } from '../model/metrics.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';

/** A manager or tick counts as active if its mark is younger than this, milliseconds. */
const KEEPER_MS = 15 * 60_000;

/**
 * Written by a manager or `tick` after each round: that it ran, and what it saw, so that another process can continue.
 * Overwritten each time; losing it only costs time.
 */
export interface KeeperMark {
  readonly format: 1;
  readonly id: string;
  readonly kind: 'tick' | 'manager';
  readonly host: string;
  readonly who: string;
  readonly version: string;
  /** Start of the round, ISO-8601 UTC. */
  readonly at: string;
  /** Positions of open jobs, and since when: a job that stands still for two leases is re-sent (law 9). */
  readonly stood: Readonly<Record<string, StoredSighting>>;
  /** Marks of due deliveries, each since it has been unchanged. */
  readonly due: Readonly<Record<string, StoredSighting>>;
  /** Groups that lack instances although nothing waits, each since when. */
  readonly short?: Readonly<Record<string, StoredSighting>>;
  /** Jobs that are projected past their deadline, each since when. */
  readonly late?: Readonly<Record<string, StoredSighting>>;
  /** The workers' counts when metrics were last published, from which the tasks ended since then are computed. */
  readonly tallies?: WorkerTallies | null;
  /** The inputs that each schedule's latest firing left out, as a text without its period; absent: none. */
  readonly leftOut?: Readonly<Record<string, string>>;
  /** Problems already reported, each with the time: repeated after an hour. */
  readonly told: Readonly<Record<string, string>>;
}

/** A text, and since when it has been seen: ISO-8601 UTC. */
interface StoredSighting {
  readonly is: string;
  readonly since: string;
}

/** A manager or tick, by the path and time of its mark. */
interface Keeper {
  readonly id: string;
  /** When its mark was written, by the store's clock. */
  readonly at: number;
}

/** The id of this machine's `tick`; all of them overwrite the same mark. */
export function tickId(host = hostname()): string {
  return `tick-${hostPart(host)}`;
}

/** The id of this machine's manager at a port, which continues from its own mark after a restart. */
export function managerId(port: number, host = hostname()): string {
  return `manager-${hostPart(host)}-${port}`;
}

function hostPart(host: string): string {
  const name = host
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return name.slice(0, 60) || 'host';
}

export async function putKeeperMark(
  { store, who }: Pick<Platform, 'store' | 'who'>,
  mark: Pick<KeeperMark, 'id' | 'kind' | 'at' | 'stood' | 'due' | 'short' | 'late' | 'tallies' | 'leftOut' | 'told'>,
): Promise<void> {
  const body: KeeperMark = { format: 1, host: hostname(), who, version: VERSION, ...mark };
  await store.put(keeperKey(mark.id), JSON.stringify(body));
}

/** The mark; null if there is none or this version can't read it, as it is only a memory. */
export async function readKeeperMark(store: Pick<ObjectStore, 'read'>, id: string): Promise<KeeperMark | null> {
  return readStored<KeeperMark>(store, keeperKey(id)).catch(nullIfUnreadable);
}

/** The newest mark; null for none. One listing. */
export async function latestKeeper({ store }: Pick<Platform, 'store'>): Promise<Keeper | null> {
  let latest: Keeper | null = null;
  for await (const { key, modified } of store.list(KEEPERS_PREFIX)) {
    const id = keeperOf(key);
    if (id !== null && (latest === null || modified > latest.at)) latest = { id, at: modified };
  }
  return latest;
}

/** An active one; null if its mark is too old. */
export const freshKeeper = (keeper: Keeper | null, now: number): Keeper | null =>
  keeper !== null && now - keeper.at < KEEPER_MS ? keeper : null;

/** Interval between checks by a process that shows a status repeatedly, milliseconds. */
const EVERY_MS = 60_000;

/** The active managers and ticks, checked at most once a minute. */
export class KeeperWatch {
  readonly #platform: Platform;
  #latest: Keeper | null = null;
  #at = Number.NEGATIVE_INFINITY;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** The id of one active lately; null for none, or if the marks can't be listed, which must not fail a status. */
  async id(): Promise<string | null> {
    const { clock } = this.#platform;
    if (clock.monotonic() - this.#at >= EVERY_MS) {
      this.#latest = await latestKeeper(this.#platform).catch(nullIfBatchctlError);
      this.#at = clock.monotonic();
    }
    return freshKeeper(this.#latest, clock.now())?.id ?? null;
  }
}

/** A time of this process's monotonic clock, as stored in a mark. */
export function toStoredSightings(
  clock: Platform['clock'],
  seen: ReadonlyMap<string, Sighting>,
): Readonly<Record<string, StoredSighting>> {
  const [now, monotonic] = [clock.now(), clock.monotonic()];
  return Object.fromEntries(
    [...seen].map(([of, { is, since }]) => [of, { is, since: new Date(now - (monotonic - since)).toISOString() }]),
  );
}

/** A mark's content by this process's monotonic clock. A wall clock that was set back makes nothing older. */
export function fromStoredSightings(
  clock: Platform['clock'],
  notes: Readonly<Record<string, StoredSighting>>,
): ReadonlyMap<string, Sighting> {
  const [now, monotonic] = [clock.now(), clock.monotonic()];
  return new Map(
    Object.entries(notes).map(([of, { is, since }]) => [
      of,
      { is, since: monotonic - Math.max(0, now - Date.parse(since)) },
    ]),
  );
}

/** A problem that did not stop the rest of a round. */
export interface Trouble {
  /** Its subject: a job, a schedule, a group. */
  readonly about: string;
  readonly error: unknown;
  /** False: the same problem was reported within the last hour. */
  readonly news: boolean;
}

/** A persistent problem is reported again after this time: rounds happen every minute and more often. */
const REPORT_AGAIN_MS = 3_600_000;

export class Troubles {
  readonly #all: Trouble[] = [];
  readonly #told: KeeperMark['told'];
  readonly #now: number;
  readonly #onTrouble: ((trouble: Trouble) => void) | undefined;

  /** `told`: the former round's problems, with the times of their reports. `onTrouble` is called for each one added. */
  constructor(told: KeeperMark['told'], now: number, onTrouble?: (trouble: Trouble) => void) {
    this.#told = told;
    this.#now = now;
    this.#onTrouble = onTrouble;
  }

  add(about: string, error: unknown): void {
    const told = this.#told[troubleText(about, error)];
    const news = told === undefined || this.#now - Date.parse(told) >= REPORT_AGAIN_MS;
    const trouble = { about, error, news };
    this.#all.push(trouble);
    this.#onTrouble?.(trouble);
  }

  get all(): readonly Trouble[] {
    return this.#all;
  }

  /** The persistent problems, with the times of their last reports. */
  get told(): KeeperMark['told'] {
    const now = new Date(this.#now).toISOString();
    const told = this.#all.map(({ about, error, news }): [string, string] => {
      const text = troubleText(about, error);
      return [text, news ? now : (this.#told[text] ?? now)];
    });
    return Object.fromEntries(told);
  }
}

export const troubleText = (about: string, error: unknown): string => `${about}: ${messageOf(error)}`.slice(0, 500);

/** A watcher's observation, and its time (monotonic milliseconds). */
export interface Sighting {
  readonly is: string;
  readonly since: number;
}
