import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { BatchctlError } from '../errors.ts';
import { codeKey } from '../model/keys.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import { type CodeArchive, LARGEST_CODE, placeOf } from './code-archive.ts';

/** Bytes that are unzipped at a time. */
const CHUNK = 256 * 1024;

/**
 * A job's files that were put into the store before; null if they are not there. However far it unzips, a piece of it is
 * held at a time, and others get their turn. Throws `corrupt` for anything else under that name, `jobFile` for what no
 * worker would unpack.
 */
export async function readStoredCode(store: Pick<ObjectStore, 'read'>, sha256: string): Promise<CodeArchive | null> {
  const gzip = await store.read(codeKey(sha256));
  if (gzip === null) return null;
  const entries = extract();
  const [found, listed] = await Promise.allSettled([unzip(gzip, entries), namesIn(entries, sha256)]);
  // That these are not the bytes which were put says more than what is wrong with them.
  if (found.status === 'rejected' && listed.status === 'fulfilled')
    throw wrong(sha256, 'is no archive that can be read', found.reason);
  if (found.status === 'fulfilled' && found.value !== sha256) throw wrong(sha256, `has the hash ${found.value}`);
  if (listed.status === 'rejected') throw listed.reason;
  return { sha256, gzip, files: listed.value };
}
