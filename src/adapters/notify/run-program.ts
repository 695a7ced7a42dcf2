import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname } from 'node:path';
import { BatchctlError, hasCode, messageOf } from '../../errors.ts';
import type { Notice } from '../../ports/notifier.ts';

/** Time limit of the program, and again for its end after SIGTERM, milliseconds. */
const TIMEOUT_MS = 30_000;
const GRACE_MS = 2_000;
/** Bytes kept of its output. */
const OUTPUT_BYTES = 4_096;

export interface ProgramOptions {
  readonly path: string;
  readonly notice: Notice;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs?: number;
}

/**
 * Runs a program, without a shell, in a process group of its own and in its own directory, with the body on its stdin.
 * Exit 0 is success. Throws `unavailable` for any other end, `config` for a program that can't be started.
 */
export async function runProgram({ path, notice, signal, timeoutMs = TIMEOUT_MS }: ProgramOptions): Promise<void> {
  const child = spawn(path, [notice.event], {
    cwd: dirname(path),
    detached: true,
    stdio: ['pipe', 'ignore', 'pipe'],
    env: {
      ...process.env,
      BATCHCTL_EVENT: notice.event,
      BATCHCTL_EVENT_ID: notice.id,
      ...(notice.job !== null && { BATCHCTL_JOB: notice.job }),
    },
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-OUTPUT_BYTES);
  });
  // A program that doesn't read its stdin, or ends early, is fine.
  child.stdin.on('error', () => undefined);
  child.stdin.end(notice.body);
  const killGroup = (how: NodeJS.Signals): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, how);
    } catch (error) {
      if (!hasCode(error, 'ESRCH')) throw error;
    }
  };
  const limit = AbortSignal.timeout(timeoutMs);
  const stop = signal === undefined ? limit : AbortSignal.any([signal, limit]);
  let last: NodeJS.Timeout | null = null;
  const onStop = (): void => {
    killGroup('SIGTERM');
    last = setTimeout(() => killGroup('SIGKILL'), GRACE_MS);
  };
  stop.addEventListener('abort', onStop, { once: true });
  if (stop.aborted) onStop();
  try {
    // Not `close`: a child that it leaves behind may hold its pipe open.
    const [code, by] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    if (code !== 0)
      throw programError(path, limit.aborted ? `not finished after ${timeoutMs / 1_000} s` : endText(code, by), said);
  } catch (error) {
    if (error instanceof BatchctlError) throw error;
    throw new BatchctlError('config', `${path} can't be started: ${messageOf(error)}`, {
      hint: `chmod +x ${path}, and give it a first line such as #!/bin/sh`,
      cause: error,
    });
  } finally {
    stop.removeEventListener('abort', onStop);
    if (last !== null) clearTimeout(last);
    // Ends the children that it left behind.
    killGroup('SIGKILL');
    child.stderr.destroy();
  }
}

const endText = (code: number | null, by: NodeJS.Signals | null): string =>
  by === null ? `exit ${code}` : `ended by ${by}`;

function programError(path: string, how: string, said: string): BatchctlError {
  const line = said.trim().split('\n').at(-1) ?? '';
  return new BatchctlError('unavailable', `${path}: ${how}${line === '' ? '' : `: ${line.slice(0, 200)}`}`, {
    hint: 'it will be run again',
  });
}
