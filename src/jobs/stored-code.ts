import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { BatchctlError } from '../errors.ts';
import { codeKey } from '../model/keys.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import { type CodeArchive, filesInArchive, LARGEST_CODE } from './code-archive.ts';

/** A job's files that were put into the store before; null if they are not there. Throws `corrupt` for anything else under that name. */
export async function readStoredCode(store: Pick<ObjectStore, 'read'>, sha256: string): Promise<CodeArchive | null> {
  const gzip = await store.read(codeKey(sha256));
  if (gzip === null) return null;
  const found = createHash('sha256').update(unzipped(gzip, sha256)).digest('hex');
  if (found !== sha256) throw wrong(sha256, `has the hash ${found}`);
  const files = [...(await filesInArchive(gzip)).keys()].sort();
  return { sha256, gzip, files };
}

function unzipped(gzip: Uint8Array, sha256: string): Uint8Array {
  try {
    return gunzipSync(gzip, { maxOutputLength: 2 * LARGEST_CODE });
  } catch (cause) {
    throw wrong(sha256, 'is no archive that can be read', cause);
  }
}

const wrong = (sha256: string, what: string, cause?: unknown): BatchctlError =>
  new BatchctlError('corrupt', `the code archive ${sha256} ${what}`, { hint: 'submit the job again', cause });
