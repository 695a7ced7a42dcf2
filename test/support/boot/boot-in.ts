/**
 * Runs an instance's user-data in a directory of this machine.
 *
 * - `bootIn(directory, userData, env)` runs the real script with `bash`. All its paths are below `directory`. The programs in
 *   `bin/` replace those that would change the machine (dnf, systemctl, journalctl, useradd, ip). `aws` (loaded once), `curl`,
 *   `tar` and `node` are real. `env` contains the addresses of the services, `AWS_ENDPOINT_URL`, and of the instance's
 *   metadata, `AWS_EC2_METADATA_SERVICE_ENDPOINT`, from which it reads its id and credentials.
 * - The calls of the replaced programs are in `directory/calls.<program>`, one per line; the log is `bootLog(directory)`.
 * - `systemctl start UNIT` starts nothing. It creates `directory/UNIT.started`, and `readUnit` (`unit.ts`) then returns what
 *   systemd would run. `systemctl is-active UNIT` prints `directory/UNIT.state`, by default `active`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Boot {
  /** It leads its own process group. */
  readonly child: ChildProcess;
  readonly ended: Promise<BootEnd>;
}

interface BootEnd {
  readonly code: number | null;
  /** The output on the instance's console. */
  readonly console: string;
}

/** The replaced programs, then those of this machine. */
export const BOOT_PATH = `${join(import.meta.dirname, 'bin')}:${process.env.PATH}`;

/** Starts a boot. Another one in the same directory is of the same instance. `words` are the script's arguments. */
export function bootIn(
  directory: string,
  userData: string,
  env: Readonly<Record<string, string>>,
  words: readonly string[] = [],
): Boot {
  const script = join(directory, 'user-data.sh');
  mkdirSync(join(directory, 'root'), { recursive: true });
  writeFileSync(script, userData);
  const child = spawn('/bin/bash', [script, ...words], {
    cwd: directory,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: BOOT_PATH,
      HOME: join(directory, 'root'),
      BATCHCTL_TEST_RUN: process.env.BATCHCTL_TEST_RUN,
      BATCHCTL_ROOT: directory,
      BATCHCTL_TEST_BOOT_PATIENCE: '10',
      BATCHCTL_TEST_BOOT_SETTLE: '0',
      ...env,
    },
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  }
  const ended = new Promise<BootEnd>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, console: text }));
  });
  return { child, ended };
}

/** The log of the boot so far; empty before it begins. */
export function bootLog(directory: string): string {
  const path = join(directory, 'var/log/batchctl-boot.log');
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** The arguments of each call of a replaced program. */
export function callsOf(directory: string, program: string): readonly string[] {
  const path = join(directory, `calls.${program}`);
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
}
