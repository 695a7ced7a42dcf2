import { spawnSync } from 'node:child_process';
import { chownSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The user of a database server, because servers refuse to run as root. */
export interface Account {
  readonly uid?: number;
  readonly gid?: number;
}

/** The system's account with this name if root runs the tests; otherwise the tests' own user. */
export function accountOf(name: string): Account {
  if (process.getuid?.() !== 0) return {};
  const number = (flag: string): number => Number(run('id', [flag, name], {}).trim());
  return { uid: number('-u'), gid: number('-g') };
}

/** Makes a temporary directory that belongs to the account. */
export function makeDirectory(account: Account, prefix: string): string {
  const directory = mkdtempSync(join(tmpdir(), prefix));
  changeOwner(account, directory);
  return directory;
}

export function changeOwner({ uid, gid }: Account, path: string): void {
  if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid);
}

/** Runs a program to its end, and returns its stdout; throws with its output if it fails. */
export function run(command: string, args: readonly string[], account: Account): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { ...account, encoding: 'utf8', cwd: tmpdir() });
  if (status !== 0) throw new Error(`${command} failed: ${error?.message ?? ''}${stdout}${stderr}`);
  return stdout;
}
