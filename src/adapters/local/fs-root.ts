import { linkSync, mkdirSync, readdirSync, readFileSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BatchctlError, hasCode } from '../../errors.ts';
import { isAlive } from '../../lib/leftovers.ts';
import { STORE_FORMAT } from '../../lib/version.ts';
import { makeDirectory, publishFile, removeFile } from './fs-publish.ts';

/** Age at which leftovers of killed processes are removed, milliseconds. No living process writes for that long. */
const STALE_MS = 86_400_000;

/** statfs types of network file systems, whose locks and links can't be relied on (Linux: magic.h). */
const NETWORK: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x5346414f, 'AFS'],
  [0x00c36400, 'Ceph'],
  [0x0bd00bd0, 'Lustre'],
]);

/** The name of a network file system by its statfs type; null for a local one. */
export function networkFileSystem(type: number): string | null {
  return NETWORK.get(type >>> 0) ?? null;
}

/**
 * Makes the directory `root` a store, or checks that it is one. Throws `config` on a network file system or one without
 * hard links, `newer` for a format that this version doesn't know, `corrupt` for a `format` file that isn't one.
 */
export function openRoot(root: string, sync: boolean): void {
  makeDirectory(root, sync);
  const network = networkFileSystem(statfsSync(root).type);
  if (network !== null) throw unfitRootError(root, `found ${network}, a network file system`);
  for (const name of ['store', 'tmp']) mkdirSync(join(root, name), { recursive: true, mode: 0o700 });
  const path = join(root, 'format');
  const found = readFormat(path) ?? writeFormat(root, path);
  if (found <= STORE_FORMAT) return;
  throw new BatchctlError('newer', `Expected format ${STORE_FORMAT} of the store ${root}, found ${found}`, {
    hint: 'Use the version of batchctl that created it, or a later one.',
  });
}

function readFormat(path: string): number | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
  const format = /^\{"format":(\d+)[,}]/.exec(text)?.[1];
  if (format !== undefined) return Number(format);
  throw new BatchctlError('corrupt', `Expected {"format":${STORE_FORMAT}} in ${path}, found ${text.slice(0, 60)}`, {
    hint: 'Set "root" to a directory of batchctl, or to one that does not exist yet.',
  });
}

/** Uses the same link that publishes objects: if it fails, nothing else is tried. */
function writeFormat(root: string, path: string): number {
  const temporary = join(root, 'tmp', `${process.pid}-format-${process.hrtime.bigint()}`);
  try {
    writeFileSync(temporary, `{"format":${STORE_FORMAT}}\n`, { mode: 0o600, flag: 'wx' });
    requireHardLinks(root, temporary);
    // Synced whatever the store's durability: losing these few bytes must not cost the store.
    publishFile(temporary, path, { ifAbsent: true, sync: true });
  } finally {
    removeFile(temporary);
  }
  return readFormat(path) ?? STORE_FORMAT;
}

function requireHardLinks(root: string, file: string): void {
  const twin = `${file}-link`;
  try {
    linkSync(file, twin);
  } catch (cause) {
    if (hasCode(cause, 'ENOSPC', 'EDQUOT')) throw cause;
    throw unfitRootError(root, 'found one without hard links', cause);
  }
  try {
    linkSync(file, twin);
  } catch (cause) {
    if (hasCode(cause, 'EEXIST')) return;
    throw unfitRootError(root, 'found one whose links fail in an unknown way', cause);
  } finally {
    removeFile(twin);
  }
  throw unfitRootError(root, 'found one where a link replaces what exists');
}

function unfitRootError(root: string, found: string, cause?: unknown): BatchctlError {
  return new BatchctlError('config', `Expected ${root} on a local file system with hard links, ${found}`, {
    hint: 'Set "root" in batchctl.config.json to a directory on a local disk.',
    cause,
  });
}

/** Removes files in `tmp/` that no process will publish: their writer is dead, and they are a day old. */
export function removeStaleFiles(root: string, now: number): void {
  const directory = join(root, 'tmp');
  for (const name of readdirSync(directory)) {
    const pid = Number(/^(\d+)-/.exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(pid)) continue;
    const path = join(directory, name);
    // By change time: a file that was moved in keeps the modification time of its bytes.
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats?.isFile() && now - stats.ctimeMs > STALE_MS && !mayBeWriting(pid, stats.ctimeMs)) removeFile(path);
  }
}

/** In a container each start may get the same process id: a file older than this process isn't its own. */
function mayBeWriting(pid: number, changedMs: number): boolean {
  return pid === process.pid ? changedMs >= performance.timeOrigin : isAlive(pid);
}
