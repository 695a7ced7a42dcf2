import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomId } from '../../lib/id.ts';

/** A file in the making: hidden, beside its later name, so that a rename makes it appear whole. */
const DRAFT = /^\.batchctl-[a-z2-7]{16}\.part$/;
/** Whoever writes a draft does so all the time: one that was left alone for so long has lost its writer. */
export const STALE_MS = 3_600_000;

/** A new draft's path in a directory. */
export function draftIn(directory: string): string {
  return join(directory, `.batchctl-${randomId(16)}.part`);
}

/**
 * Removes what fetches that were killed left in a directory, an hour ago or longer by the clock of its file system: this
 * machine's may be another (a network drive), and a draft that is being written would be taken for an old one.
 */
export async function removeStaleDrafts(directory: string): Promise<void> {
  const drafts = (await readdir(directory)).filter((name) => DRAFT.test(name));
  if (drafts.length === 0) return;
  const now = await timeIn(directory);
  for (const name of drafts) {
    const path = join(directory, name);
    const stats = await stat(path).catch(() => null); // another fetch may have removed or finished it
    if (stats !== null && now - stats.mtimeMs > STALE_MS) await rm(path, { force: true });
  }
}

/** What time it is by the directory's file system, milliseconds since the epoch. */
async function timeIn(directory: string): Promise<number> {
  const probe = draftIn(directory);
  try {
    await writeFile(probe, '', { flag: 'wx' });
    return (await stat(probe)).mtimeMs;
  } finally {
    await rm(probe, { force: true });
  }
}
