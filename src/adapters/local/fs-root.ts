import {
  closeSync,
  existsSync,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { BatchctlError, hasCode } from '../../errors.ts';
import { namesIn } from '../../lib/if-exists.ts';
import { isAlive } from '../../lib/leftovers.ts';
import { makePrivateDirectory } from '../../lib/private-files.ts';
import { STORE_FORMAT } from '../../lib/version.ts';
import { makeDirectory, publishFile, removeFile } from './fs-publish.ts';
import {
  birthMark,
  type FormatFile,
  foreignReason,
  readFormatFile,
  requireMadeHere,
  requireOwnRoot,
} from './root-trust.ts';

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
 * Makes the directory `root` a store, or checks that it is one. Throws `config` for one that others may change, that holds
 * other things, on a network file system or without hard links, `refused` for one that was made elsewhere, `newer` for a format that this
 * version doesn't know, `corrupt` for a `format` file that isn't one.
 */
export function openRoot(root: string, sync: boolean): void {
  requireOwnRoot(root);
  makeDirectory(root, sync);
  if (!existsSync(root)) mkdirSync(firstMissing(root), { mode: 0o700 });
  const network = networkFileSystem(statfsSync(root).type);
  if (network !== null) throw unfitRootError(root, `found ${network}, a network file system`);
  const there = readFormatFile(root);
  if (there !== null) requireFormat(root, there);
  requireMadeHere(root, there);
  if (there === null) refuseOtherUse(root);
  makePrivateDirectory(root);
  for (const name of ['store', 'tmp']) makePrivateDirectory(join(root, name), false);
  if (there === null) {
    writeFormat(root, { ifAbsent: true });
    // Also if someone else has made the root since the first look.
    requireOwnRoot(root);
  }
}

/** A store closes its directory to other users, who may need what else is there. Hidden files and mount points don't count. */
function refuseOtherUse(root: string): void {
  const names = namesIn(root);
  const other = names.find((name) => !name.startsWith('.') && name !== 'lost+found');
  // Without `format`, but with these, the first opening was interrupted.
  if (other === undefined || names.includes('store') || names.includes('tmp')) return;
  const found = `expected a directory that is empty or does not exist yet, found ${root} with other things in it (${other})`;
  throw new BatchctlError('config', found, {
    hint: `set "root" to a directory of its own: ${join(root, '.batchctl')}`,
  });
}

/** On a read-only file system Node answers ENOENT if it is to create parents too; creating this one says what is wrong. */
function firstMissing(path: string): string {
  const above = dirname(path);
  return existsSync(above) ? path : firstMissing(above);
}

/**
 * Records that the user trusts a root that was made elsewhere, unless `dryRun`. Returns why it was not trusted; null if
 * nothing was to do. Throws as `openRoot` does for a root that others may change.
 */
export function trustRoot(root: string, { dryRun }: { readonly dryRun: boolean }): string | null {
  requireOwnRoot(root);
  const there = readFormatFile(root);
  if (there !== null) requireFormat(root, there);
  const why = foreignReason(root, there);
  if (why === null || dryRun) return why;
  mkdirSync(join(root, 'tmp'), { recursive: true, mode: 0o700 });
  writeFormat(root, { ifAbsent: false });
  return why;
}

/** Throws `newer` for a format that this version doesn't know, `corrupt` for a file that states none. */
function requireFormat(root: string, { text }: FormatFile): void {
  const format = Number(/^\{"format":(\d+)[,}]/.exec(text)?.[1] ?? Number.NaN);
  if (Number.isNaN(format)) {
    const path = join(root, 'format');
    throw new BatchctlError('corrupt', `Expected {"format":${STORE_FORMAT}} in ${path}, found ${text.slice(0, 60)}`, {
      hint: 'Set "root" to a directory of batchctl, or to one that does not exist yet.',
    });
  }
  if (format <= STORE_FORMAT) return;
  throw new BatchctlError('newer', `Expected format ${STORE_FORMAT} of the store ${root}, found ${format}`, {
    hint: 'Use the version of batchctl that created it, or a later one.',
  });
}

/** Uses the same link that publishes objects: if it fails, nothing else is tried. */
function writeFormat(root: string, { ifAbsent }: { readonly ifAbsent: boolean }): void {
  const temporary = join(root, 'tmp', `${process.pid}-format-${process.hrtime.bigint()}`);
  try {
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      const made = birthMark(fstatSync(fd, { bigint: true }));
      writeFileSync(fd, `${JSON.stringify({ format: STORE_FORMAT, made })}\n`);
    } finally {
      closeSync(fd);
    }
    requireHardLinks(root, temporary);
    // Synced whatever the store's durability: losing these few bytes must not cost the store.
    publishFile(temporary, join(root, 'format'), { ifAbsent, sync: true });
  } finally {
    removeFile(temporary);
  }
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
