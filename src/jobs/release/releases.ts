import { BatchctlError } from '../../errors.ts';
import { RELEASES, releaseKey, releaseOf } from '../../model/keys.ts';
import type { ObjectStore } from '../../ports/object-store.ts';

/** What became the current release of a stack. The one with the highest number is. */
export interface Release {
  readonly format: 1;
  readonly number: number;
  readonly sha256: string;
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly by: string;
  /** The number of the release that it takes up again; null of one that was new. */
  readonly restores: number | null;
  /** The bundle that it took back; null of one that was new. */
  readonly tookBack: string | null;
}

/** The current release; null before the first. Throws `newer` for one that this version can't read. */
export async function currentRelease(store: ObjectStore): Promise<Release | null> {
  const numbers = await releaseNumbers(store);
  const last = numbers.at(-1);
  return last === undefined ? null : readRelease(store, last);
}

/**
 * The release that `current` goes back to: the last one before it with another bundle. One that itself went back counts
 * as the one that it took up again, so that going back twice goes two back. Null: there is none.
 */
export async function releaseBefore(store: ObjectStore, current: Release): Promise<Release | null> {
  const place = current.restores ?? current.number;
  const numbers = await releaseNumbers(store);
  for (const number of numbers.filter((each) => each < place).reverse()) {
    const release = await readRelease(store, number);
    if (release !== null && release.sha256 !== current.sha256) return release;
  }
  return null;
}

/**
 * Makes a bundle, which is in the store already, the current release: the next number is create-if-absent (law 2), and who
 * loses it decides again. Where it is current already, nothing is written. Throws `refused` where another than `after`
 * has become current meanwhile.
 */
export async function claimRelease(
  store: ObjectStore,
  wanted: Omit<Release, 'format' | 'number'>,
  after: number | null = null,
): Promise<{ readonly release: Release; readonly created: boolean }> {
  for (;;) {
    const numbers = await releaseNumbers(store);
    const last = numbers.at(-1) ?? -1;
    const current = last < 0 ? null : await readRelease(store, last);
    if (current?.sha256 === wanted.sha256) return { release: current, created: false };
    if (after !== null && last !== after) {
      throw new BatchctlError('refused', `expected release ${after} to be the current one, found ${last}`, {
        hint: 'someone else made a release meanwhile; check with batchctl infra status',
      });
    }
    const release: Release = { format: 1, number: last + 1, ...wanted };
    const body = `${JSON.stringify(release)}\n`;
    // Told that it exists, it may be this one's own first try: the next round finds it current.
    const { created } = await store.put(releaseKey(release.number), body, { ifAbsent: true });
    if (created) return { release, created };
  }
}

async function releaseNumbers(store: ObjectStore): Promise<readonly number[]> {
  const numbers: number[] = [];
  for await (const key of store.keys(RELEASES)) {
    const number = releaseOf(key);
    if (number !== null) numbers.push(number);
  }
  return numbers.sort((a, b) => a - b);
}

async function readRelease(store: ObjectStore, number: number): Promise<Release | null> {
  const bytes = await store.read(releaseKey(number));
  if (bytes === null) return null;
  const read = JSON.parse(new TextDecoder().decode(bytes)) as Release;
  if (read.format === 1) return read;
  throw new BatchctlError(
    'newer',
    `${releaseKey(number)} has format ${read.format}; this version of batchctl reads 1`,
    {
      hint: 'use the version of batchctl that made the release',
    },
  );
}
