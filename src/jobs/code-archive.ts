import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { extract, type Header, pack } from 'tar-stream';
import { glob } from 'tinyglobby';
import { BatchctlError } from '../errors.ts';

/** A job's files as an archive. */
export interface CodeArchive {
  /**
   * SHA-256 of the uncompressed archive. Names are sorted, modes kept, times and owners dropped, so that two hosts
   * agree.
   */
  readonly sha256: string;
  /** Compressed when it is first asked for: often only the checksum is. */
  readonly gzip: Uint8Array;
  readonly files: readonly string[];
}

/** Held in memory: it is code, not data. */
export const LARGEST_CODE = 256 * 2 ** 20;

/** Packs the files that match the patterns, relative to `directory`. Throws `jobFile` for a pattern without a match. */
export async function packCode(directory: string, patterns: readonly string[]): Promise<CodeArchive | null> {
  if (patterns.length === 0) return null;
  return packFiles(directory, await expandPatterns(directory, patterns));
}

/** The same for files by name. */
export async function packFiles(directory: string, names: readonly string[]): Promise<CodeArchive> {
  const archive = pack();
  let size = 0;
  for (const name of names) {
    const path = join(directory, name);
    const bytes = readFileSync(path);
    size += bytes.length;
    if (size > LARGEST_CODE) {
      throw new BatchctlError(
        'jobFile',
        `files: ${names.length} files contain more than 256 MiB, but they are code that is copied for every attempt`,
        {
          hint: 'upload data to the store with batchctl upload, and read it as an input',
        },
      );
    }
    archive.entry(
      { name, mode: lstatSync(path).mode & 0o111 ? 0o755 : 0o644, mtime: new Date(0), uid: 0, gid: 0 },
      bytes,
    );
  }
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  const tar = Buffer.concat(chunks);
  let bytes: { readonly tar: Uint8Array } | { readonly gzip: Uint8Array } = { tar };
  return {
    sha256: createHash('sha256').update(tar).digest('hex'),
    files: names,
    get gzip() {
      if ('tar' in bytes) bytes = { gzip: gzipSync(bytes.tar) };
      return bytes.gzip;
    },
  };
}

/** The files that the patterns name, sorted. Throws `jobFile` for a pattern that names none. */
export async function expandPatterns(directory: string, patterns: readonly string[]): Promise<readonly string[]> {
  const names = new Set<string>();
  for (const pattern of patterns) {
    const found = await glob([pattern], {
      cwd: directory,
      onlyFiles: true,
      followSymbolicLinks: false,
      expandDirectories: true,
      dot: true,
    });
    if (found.length === 0) {
      throw new BatchctlError('jobFile', `files: ${pattern} matches no file in ${directory}`, {
        hint: 'paths are relative to the job file',
      });
    }
    for (const name of found) names.add(relative(directory, resolve(directory, name)).split(sep).join('/'));
  }
  return [...names].sort();
}

/** The files of an archive: name to SHA-256 of the bytes, followed by `+x` for an executable. */
export async function filesInArchive(gzip: Uint8Array): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  const entries = extract();
  entries.end(gunzipSync(gzip, { maxOutputLength: 2 * LARGEST_CODE }));
  for await (const entry of entries) {
    const hash = createHash('sha256');
    for await (const chunk of entry) hash.update(chunk as Buffer);
    files.set(entry.header.name, `${hash.digest('hex')}${(entry.header.mode ?? 0) & 0o111 ? '+x' : ''}`);
  }
  return files;
}

/** Unpacks an archive into a directory. Throws `corrupt` for a wrong hash, and for entries outside of the directory. */
export async function unpackCode(gzip: Uint8Array, sha256: string, directory: string): Promise<void> {
  const tar = gunzipSync(gzip, { maxOutputLength: 2 * LARGEST_CODE });
  const found = createHash('sha256').update(tar).digest('hex');
  if (found !== sha256) {
    throw new BatchctlError('corrupt', `the code archive ${sha256} has the hash ${found}`, {
      hint: 'submit the job again',
    });
  }
  const entries = extract();
  entries.end(tar);
  for await (const entry of entries) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    const path = pathOfEntry(directory, entry.header);
    if (path === null) {
      throw new BatchctlError(
        'corrupt',
        `the code archive contains ${entry.header.name}, which is outside its directory`,
      );
    }
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, Buffer.concat(chunks), { mode: 0o600 });
    // Callers of a manager also put archives; none of their files may run as another user.
    chmodSync(path, (entry.header.mode ?? 0o644) & 0o777);
  }
}

/** The path of an archive's entry in a directory; null if it isn't a plain file or would be outside. */
export function pathOfEntry(directory: string, { name, type }: Pick<Header, 'name' | 'type'>): string | null {
  const path = resolve(directory, name);
  return type === 'file' && path.startsWith(directory + sep) ? path : null;
}
