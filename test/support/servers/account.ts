import { spawnSync } from 'node:child_process';
import { chownSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Who a database server runs as: servers refuse to run as root. */
export interface Account {
  readonly uid?: number;
  readonly gid?: number;
}

/** The system's account of that name when this process is root's; this process's own elsewhere. */
export function accountOf(name: string): Account {
  if (process.getuid?.() !== 0) return {};
  const number = (flag: string): number => Number(run('id', [flag, name], {}).trim());
  return { uid: number('-u'), gid: number('-g') };
}

/** A new directory that belongs to the account. */
export function directoryOf(account: Account, prefix: string): string {
  const directory = mkdtempSync(join(tmpdir(), prefix));
  give(account, directory);
  return directory;
}

export function give({ uid, gid }: Account, path: string): void {
  if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid);
}

/** Runs a program to its end, and answers what it wrote; fails with what it said. */
export function run(command: string, args: readonly string[], account: Account): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { ...account, encoding: 'utf8', cwd: tmpdir() });
  if (status !== 0) throw new Error(`${command} failed: ${error?.message ?? ''}${stdout}${stderr}`);
  return stdout;
}
