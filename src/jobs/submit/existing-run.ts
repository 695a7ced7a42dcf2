import { runsPrefix } from '../../model/keys.ts';
import type { Platform } from '../../ports/platform.ts';
import { type RunKeyClaim, readClaim } from '../journal.ts';

/** What the latest run of a key is, if any. Cheap: asked before anything is prepared further. */
export async function existingRun(
  platform: Pick<Platform, 'store'>,
  runKey: string,
): Promise<{ readonly claim: RunKeyClaim; readonly number: number } | null> {
  let latest: number | null = null;
  for await (const { key } of platform.store.list(runsPrefix(runKey))) {
    const match = /\/(\d{4})\.json$/.exec(key);
    if (match?.[1] !== undefined) latest = Number(match[1]);
  }
  if (latest === null) return null;
  const claim = await readClaim(platform.store, runKey, latest);
  return claim === null ? null : { claim, number: latest };
}
