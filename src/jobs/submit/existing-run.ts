import { runsPrefix } from '../../model/keys.ts';
import type { Platform } from '../../ports/platform.ts';
import { type RunKeyClaim, readClaim } from '../run-claims.ts';

/** What the latest run of a key is, if any. Cheap: asked before anything is prepared further. */
export async function existingRun(
  platform: Pick<Platform, 'store'>,
  runKey: string,
): Promise<{ readonly claim: RunKeyClaim; readonly number: number } | null> {
  return (await runsOf(platform, runKey)).latest;
}

/** The latest run of a key, and the number that the next one gets: numbers at which a submission was discarded are no runs. */
export async function runsOf(
  { store }: Pick<Platform, 'store'>,
  runKey: string,
): Promise<{
  readonly latest: { readonly claim: RunKeyClaim; readonly number: number } | null;
  readonly next: number;
}> {
  const numbers: number[] = [];
  for await (const key of store.keys(runsPrefix(runKey))) {
    const match = /\/(\d{4})\.json$/.exec(key);
    if (match?.[1] !== undefined) numbers.push(Number(match[1]));
  }
  const next = (numbers.at(-1) ?? -1) + 1;
  for (const number of numbers.reverse()) {
    const claim = await readClaim(store, runKey, number);
    if (claim !== null && claim.discarded === undefined) return { latest: { claim, number }, next };
  }
  return { latest: null, next };
}
