/**
 * Runs an instance's user-data in a directory of this machine.
 *
 * - `bootIn(directory, userData, env)` runs the real script with `bash`: all its paths are below `directory`, and
 *   `bin/` beside this file stands in for what would change the machine (dnf, systemctl, journalctl, useradd, ip). `aws` (once
 *   loaded, many times run), `curl`, `tar` and `node` are real. `env` says where the services are: `AWS_ENDPOINT_URL`, and the instance's own
 *   `AWS_EC2_METADATA_SERVICE_ENDPOINT`, from which the instance's id and credentials come.
 * - What the stand-ins were asked for is in `directory/calls.<program>`, a line each; the log is `bootLog(directory)`.
 * - `systemctl start UNIT` starts nothing. It leaves `directory/UNIT.started`; `readUnit` (`unit.ts`) then tells what
 *   systemd would run. `directory/UNIT.state` is what `systemctl is-active` answers; `active` without.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Boot {
  /** It leads a process group of its own. */
  readonly child: ChildProcess;
  readonly ended: Promise<BootEnd>;
}

interface BootEnd {
  readonly code: number | null;
  /** What the instance's console would show. */
  readonly console: string;
}

/** Starts a boot; a second one in the same directory is the same instance's. `words` are the script's own arguments. */
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
      PATH: `${join(import.meta.dirname, 'bin')}:${process.env.PATH}`,
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

/** What the boot said so far; empty before it began. */
export function bootLog(directory: string): string {
  const path = join(directory, 'var/log/batchctl-boot.log');
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** What a stand-in was asked for, a line each. */
export function callsOf(directory: string, program: string): readonly string[] {
  const path = join(directory, `calls.${program}`);
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
}
