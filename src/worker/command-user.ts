import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, lchownSync, lstatSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BatchctlError } from '../errors.ts';
import { findProgram } from '../jobs/programs.ts';
import { shellQuote } from '../lib/shell-word.ts';
import { commandId, MAX_COMMAND_SLOTS } from '../model/command-ids.ts';

/** The user that a worker's commands get their group and name from, if they don't run as the worker's own. */
export interface CommandUser {
  readonly name: string;
  readonly gid: number;
  /** The path of setpriv(1). */
  readonly setpriv: string;
}

/**
 * Owner of the files and processes of a slot's command. The ids are the slot's own: with those of another slot, commands
 * could change each other's files while the worker, with its rights, reads or removes them (ADR 57).
 */
export interface SlotOwner {
  readonly name: string;
  readonly uid: number;
  /** None of its processes can leave it without privileges. */
  readonly gid: number;
}

const VARIABLE = 'BATCHCTL_COMMAND_USER';
/** Where the system's programs are. */
export const SYSTEM_PATH = '/usr/bin:/bin:/usr/sbin:/sbin';
/**
 * The user in `BATCHCTL_COMMAND_USER`; null if unset. Throws `config` if commands can't run as that user: the worker
 * must not start, as it would run them with more rights than requested.
 */
export function commandUserOf(env: Readonly<Record<string, string | undefined>>): CommandUser | null {
  const name = env[VARIABLE] ?? '';
  if (name === '') return null;
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw commandUserError(name, 'only root on Linux can run commands as another user', 'run the worker as root');
  }
  const [uid, gid] = [idOf('-u', name), idOf('-g', name)];
  if (uid === 0)
    throw commandUserError(
      name,
      'that is root itself',
      'use a user without privileges: useradd --system batchctl-task',
    );
  const setpriv = findProgram('setpriv', SYSTEM_PATH, '/');
  if (setpriv === null) throw commandUserError(name, 'setpriv is not installed', 'install util-linux');
  return { name, gid, setpriv };
}

export function ownerOf({ name }: CommandUser, slot: number): SlotOwner {
  if (slot >= MAX_COMMAND_SLOTS) {
    throw new BatchctlError('config', `${VARIABLE} allows at most ${MAX_COMMAND_SLOTS} slots`, {
      hint: `--slots ${MAX_COMMAND_SLOTS}`,
    });
  }
  const id = commandId(process.pid, slot);
  return { name, uid: id, gid: id };
}

/**
 * Words put before a command to drop every right except the slot's, permanently: no group besides the user's, no
 * capabilities, and no programs that would restore some (setuid, file capabilities).
 */
export function dropPrivilegesPrefix({ setpriv, gid }: CommandUser, owner: SlotOwner): string {
  const ids = ['--reuid', owner.uid, '--regid', owner.gid, '--groups', gid];
  const none = ['--no-new-privs', '--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all', '--'];
  return [setpriv, ...ids, ...none].map((word) => shellQuote(String(word))).join(' ');
}

/**
 * Lets the user pass through a worker's own directory and its parent, which no one else may list. Throws `config` if a
 * directory higher up is closed to the user.
 */
export function allowTraversal(user: CommandUser, directory: string): void {
  for (const path of [directory, dirname(directory)]) chmodSync(path, (statSync(path).mode & 0o7777) | 0o011);
  const owner = ownerOf(user, 0);
  try {
    const probe = `${dropPrivilegesPrefix(user, owner)} /bin/sh -c 'cd "$0"' ${shellQuote(directory)}`;
    execFileSync('/bin/sh', ['-c', probe], { cwd: '/', env: {}, stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (cause) {
    const closed = findClosedDirectory(directory);
    if (closed === null) throw commandUserError(user.name, stderrOf(cause), 'see the output of setpriv', cause);
    const hint = `run chmod o+x ${closed} to let it pass (it can't list the directory, only open readable files by name); or set TMPDIR to another directory (local profile: root)`;
    throw commandUserError(user.name, `${closed}, on the path to ${directory}, is closed to it`, hint, cause);
  }
}

/** Recreates a slot's directory: the owner may pass through it, but can't create or replace anything in it. */
export function ownDirectory(
  base: string,
  owner: SlotOwner,
  entries: Record<'directories' | 'files', readonly string[]>,
): void {
  mkdirSync(base, { recursive: true, mode: 0o700 });
  chownSync(base, process.getuid?.() ?? 0, owner.gid);
  chmodSync(base, 0o710);
  for (const path of entries.directories) {
    mkdirSync(path, { mode: 0o700 });
    chownSync(path, owner.uid, owner.gid);
  }
  for (const path of entries.files) {
    writeFileSync(path, '', { mode: 0o600 });
    chownSync(path, owner.uid, owner.gid);
  }
}

/** Gives a file, or a directory tree, to the owner; ignores missing files. */
export function chownTree(owner: SlotOwner, path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  lchownSync(path, owner.uid, owner.gid);
  if (stat.isDirectory()) for (const name of readdirSync(path)) chownTree(owner, join(path, name));
}

function idOf(which: '-u' | '-g', name: string): number {
  try {
    const env = { PATH: SYSTEM_PATH };
    return Number(
      execFileSync('id', [which, '--', name], { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'ignore'] }),
    );
  } catch (cause) {
    throw commandUserError(name, 'there is no such user', 'useradd --system batchctl-task', cause);
  }
}

/** The first directory from the root that others can't pass through. */
function findClosedDirectory(directory: string): string | null {
  const above = dirname(directory);
  const closed = above === directory ? null : findClosedDirectory(above);
  return closed ?? ((statSync(directory).mode & 0o001) === 0 ? directory : null);
}

function stderrOf(cause: unknown): string {
  const said = typeof cause === 'object' && cause !== null && 'stderr' in cause ? String(cause.stderr).trim() : '';
  return said === '' ? 'a program could not be started as that user' : said;
}

function commandUserError(name: string, why: string, hint: string, cause?: unknown): BatchctlError {
  return new BatchctlError('config', `${VARIABLE}=${name}: commands can't run as that user: ${why}`, { hint, cause });
}
