import { hostname } from 'node:os';
import { isKind, isOurs } from '../errors.ts';
import { parseStored } from '../lib/json.ts';
import { VERSION } from '../lib/version.ts';
import { KEEPERS, keeperKey, keeperOf } from '../model/keys.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import type { TalliesSeen } from './metrics.ts';
import type { Seen } from './seen.ts';

/** A keeper whose mark is younger than this looks after jobs that are yet to begin, milliseconds. */
const KEEPER_MS = 15 * 60_000;

/**
 * What a manager or `tick` leaves after each round: that it was there, and what it saw, so that a round by another
 * process goes on where this one ended. It is overwritten; losing it costs time, nothing else.
 */
export interface KeeperMark {
  readonly format: 1;
  readonly id: string;
  readonly kind: 'tick' | 'manager';
  readonly host: string;
  readonly who: string;
  readonly version: string;
  /** When the round began, ISO-8601 UTC. */
  readonly at: string;
  /** Where open jobs stood, each since when: what stood for two leases is sent again (law 9). */
  readonly stood: Readonly<Record<string, Noted>>;
  /** Marks of due deliveries, each since when it is as it is. */
  readonly due: Readonly<Record<string, Noted>>;
  /** Groups that lack instances though nothing waits, each since when. */
  readonly short?: Readonly<Record<string, Noted>>;
  /** Jobs that are projected past their deadline, each since when. */
  readonly late?: Readonly<Record<string, Noted>>;
  /** What workers had done when figures were put last: the next ones tell how many tasks ended since. */
  readonly tallies?: TalliesSeen | null;
  /** Troubles that were told, each when: said again after an hour. */
  readonly told: Readonly<Record<string, string>>;
}

/** A text, and since when it was seen to be that: ISO-8601 UTC. */
export interface Noted {
  readonly is: string;
  readonly since: string;
}

/** A keeper, as its mark's place and time tell it. */
export interface Keeper {
  readonly id: string;
  /** When its mark was put, by the store's clock. */
  readonly at: number;
}

/** The id of this machine's `tick`: every one of them overwrites the same mark. */
export function tickId(host = hostname()): string {
  return `tick-${hostPart(host)}`;
}

/** The id of the manager of this machine that listens at a port: started again, it goes on from its own mark. */
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

export async function putMark(
  { store, who }: Pick<Platform, 'store' | 'who'>,
  mark: Pick<KeeperMark, 'id' | 'kind' | 'at' | 'stood' | 'due' | 'short' | 'late' | 'tallies' | 'told'>,
): Promise<void> {
  const body: KeeperMark = { format: 1, host: hostname(), who, version: VERSION, ...mark };
  await store.put(keeperKey(mark.id), JSON.stringify(body));
}

/** A keeper's mark; null for none, and for one that this version can't read: it is only a memory. */
export async function readMark(store: Pick<ObjectStore, 'read'>, id: string): Promise<KeeperMark | null> {
  const bytes = await store.read(keeperKey(id));
  if (bytes === null) return null;
  try {
    return parseStored<KeeperMark>(keeperKey(id), bytes);
  } catch (error) {
    if (isKind(error, 'newer', 'corrupt')) return null;
    throw error;
  }
}

/** The keeper whose mark is the youngest; null for none. One listing. */
export async function latestKeeper({ store }: Pick<Platform, 'store'>): Promise<Keeper | null> {
  let latest: Keeper | null = null;
  for await (const { key, modified } of store.list(KEEPERS)) {
    const id = keeperOf(key);
    if (id !== null && (latest === null || modified > latest.at)) latest = { id, at: modified };
  }
  return latest;
}

/** A keeper that is at its post; null for one whose mark is too old. */
export const freshKeeper = (keeper: Keeper | null, now: number): Keeper | null =>
  keeper !== null && now - keeper.at < KEEPER_MS ? keeper : null;

/** Between two looks for keepers of a process that shows a status again and again, milliseconds. */
const EVERY_MS = 60_000;

/** Who is at their post, asked once a minute at most. */
export class KeeperWatch {
  readonly #platform: Platform;
  #latest: Keeper | null = null;
  #at = Number.NEGATIVE_INFINITY;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** The id of a keeper that left its mark lately; null for none, and where the marks can't be listed: a status needs none. */
  async id(): Promise<string | null> {
    const { clock } = this.#platform;
    if (clock.monotonic() - this.#at >= EVERY_MS) {
      this.#latest = await latestKeeper(this.#platform).catch(nullIfOurs);
      this.#at = clock.monotonic();
    }
    return freshKeeper(this.#latest, clock.now())?.id ?? null;
  }
}

function nullIfOurs(error: unknown): null {
  if (isOurs(error)) return null;
  throw error;
}

/** What a process knows by its own monotonic clock, as a mark keeps it. */
export function noted(clock: Platform['clock'], seen: ReadonlyMap<string, Seen>): Readonly<Record<string, Noted>> {
  const [now, monotonic] = [clock.now(), clock.monotonic()];
  return Object.fromEntries(
    [...seen].map(([of, { is, since }]) => [of, { is, since: new Date(now - (monotonic - since)).toISOString() }]),
  );
}

/** What a mark keeps, by this process's monotonic clock. Nothing is older than a wall clock that was set back says. */
export function recalled(clock: Platform['clock'], notes: Readonly<Record<string, Noted>>): ReadonlyMap<string, Seen> {
  const [now, monotonic] = [clock.now(), clock.monotonic()];
  return new Map(
    Object.entries(notes).map(([of, { is, since }]) => [
      of,
      { is, since: monotonic - Math.max(0, now - Date.parse(since)) },
    ]),
  );
}
