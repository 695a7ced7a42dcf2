import { createHash } from 'node:crypto';
import { createGunzip } from 'node:zlib';
import { type Extract, extract } from 'tar-stream';
import { BatchctlError } from '../errors.ts';
import { codeKey } from '../model/keys.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import { type CodeArchive, LARGEST_CODE, pathOfEntry } from './code-archive.ts';

/** Bytes that are unzipped at a time. */
const CHUNK = 256 * 1024;

/**
 * A job's files that were put into the store before; null if they are not there. However much it unzips to, a piece of
 * it is held at a time, and others get their turn. Throws `corrupt` for anything else under that name, `jobFile` for an
 * archive that no worker would unpack.
 */
export async function readStoredCode(store: Pick<ObjectStore, 'read'>, sha256: string): Promise<CodeArchive | null> {
  const gzip = await store.read(codeKey(sha256));
  if (gzip === null) return null;
  const entries = extract();
  // That other bytes were put says more than what is wrong with them.
  const [found, listed] = await Promise.allSettled([unzip(gzip, entries), namesIn(entries)]);
  if (found.status === 'rejected') throw wrong(sha256, 'is not a readable archive', found.reason);
  if (found.value !== sha256) throw wrong(sha256, `has the hash ${found.value}`);
  if (listed.status === 'rejected') throw unfit(sha256, 'is not a tar archive', listed.reason);
  const { files, unfit: entry } = listed.value;
  if (entry !== null)
    throw unfit(
      sha256,
      `contains ${JSON.stringify(entry.slice(0, 100))}: expected only plain files, with names below its root`,
    );
  return { sha256, gzip, files: [...files].sort() };
}

/** Passes what it unzips to on. Answers its SHA-256. */
async function unzip(gzip: Uint8Array, entries: Extract): Promise<string> {
  const hash = createHash('sha256');
  const gunzip = createGunzip({ chunkSize: CHUNK });
  gunzip.end(gzip);
  let size = 0;
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > 2 * LARGEST_CODE) throw new Error(`expands to more than ${2 * LARGEST_CODE} bytes`);
      hash.update(chunk);
      if (!entries.destroyed && !entries.write(chunk)) await roomIn(entries);
    }
    return hash.digest('hex');
  } finally {
    entries.end(null);
  }
}

/** Resolves when more can be written, or nothing need be. */
function roomIn(entries: Extract): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      entries.off('drain', end).off('close', end);
      resolve();
    };
    entries.on('drain', end).on('close', end);
  });
}

interface Names {
  readonly files: ReadonlySet<string>;
  /** The first entry that workers would refuse. */
  readonly unfit: string | null;
}

/** Throws where it is no tar archive. */
async function namesIn(entries: Extract): Promise<Names> {
  const files = new Set<string>();
  let unfit: string | null = null;
  for await (const entry of entries) {
    if (pathOfEntry('/code', entry.header) === null) unfit ??= entry.header.name;
    files.add(entry.header.name);
    entry.resume();
  }
  return { files, unfit };
}

const wrong = (sha256: string, what: string, cause?: unknown): BatchctlError =>
  new BatchctlError('corrupt', `the code archive ${sha256} ${what}`, { hint: 'submit the job again', cause });

const unfit = (sha256: string, what: string, cause?: unknown): BatchctlError =>
  new BatchctlError('jobFile', `the code archive ${sha256} ${what}`, {
    hint: "tar --format=ustar -cf - FILES, as listed in the job file's `files`; then gzip",
    cause,
  });
