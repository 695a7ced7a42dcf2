import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { randomId } from '../../lib/id.ts';

/** A file in the making: hidden, beside its later name, so that a rename makes it appear whole. */
const DRAFT = /^\.batchctl-[a-z2-7]{16}\.part$/;
/** Whoever writes a draft does so all the time: one that was left alone for so long has lost its writer. */
const STALE_MS = 3_600_000;

/** A new draft's path in a directory. */
export function draftIn(directory: string): string {
  return join(directory, `.batchctl-${randomId(16)}.part`);
}

/** Removes what fetches that were killed left in a directory, an hour ago or longer. */
export async function removeStaleDrafts(directory: string, now: number): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!DRAFT.test(name)) continue;
    const path = join(directory, name);
    const stats = await stat(path).catch(() => null); // another fetch may have removed or finished it
    if (stats !== null && now - stats.mtimeMs > STALE_MS) await rm(path, { force: true });
  }
}
